/** Plans reads: blobs that lie near each other in a pack are fetched in one piece. Pure. */
import { blockBytes } from '../format/config.ts';
import { storedLength } from '../format/length-word.ts';

export interface WantedBlob {
  /** Position in the caller's lists. */
  readonly at: number;
  readonly pack: number;
  readonly offset: number;
  readonly word: number;
}

export interface ReadRun {
  readonly pack: number;
  /** The piece of the pack to read. */
  readonly offset: number;
  readonly length: number;
  readonly blobs: readonly WantedBlob[];
}

const gapBytes = 64 * 1024;
/** A run is at most so long, and holds so many blobs: what it unpacks to is bounded too. */
export const runBytes = 2 * 2 ** 20;
export const runBlobs = 32;
/** What a run may unpack to, and the byte more by which the last blob is known to be too large. */
export const unpackedRunBytes = runBlobs * blockBytes + 1;

/** Runs in the order of packs and offsets. The same blob wanted twice is in its run twice. */
export function planReads(blobs: readonly WantedBlob[]): ReadRun[] {
  const sorted = blobs.toSorted((a, b) => a.pack - b.pack || a.offset - b.offset || a.at - b.at);
  const runs: { pack: number; offset: number; length: number; blobs: WantedBlob[] }[] = [];
  for (const blob of sorted) {
    const end = blob.offset + storedLength(blob.word);
    const run = runs.at(-1);
    const isNear =
      run &&
      run.pack === blob.pack &&
      blob.offset - (run.offset + run.length) <= gapBytes &&
      run.blobs.length < runBlobs &&
      end - run.offset <= runBytes;
    if (isNear) {
      run.blobs.push(blob);
      run.length = Math.max(run.length, end - run.offset);
    } else runs.push({ pack: blob.pack, offset: blob.offset, length: end - blob.offset, blobs: [blob] });
  }
  return runs;
}
