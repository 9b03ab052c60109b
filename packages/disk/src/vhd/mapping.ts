/** From ranges of a dynamic or differencing VHD to places in its file. */
import type { Extent, ExtentKind, Range, SignalOptions } from '../disk.ts';
import { bitRuns } from '../sector-bitmap.ts';
import type { BlockMap } from './block-map.ts';
import { sectorBytes } from './footer.ts';

/** A range of the disk of one kind; `fileOffset` means something for data only. */
interface Piece extends Range {
  readonly kind: ExtentKind;
  readonly fileOffset: number;
}

async function* mapRange(map: BlockMap, range: Range, options: SignalOptions): AsyncGenerator<Piece> {
  let last: Piece | undefined;
  for await (const piece of rawPieces(map, range, options)) {
    const continues =
      last?.kind === piece.kind &&
      (piece.kind === 'hole' || last.fileOffset + last.length === piece.fileOffset);
    if (last && continues) {
      last = { ...last, length: last.length + piece.length };
    } else {
      if (last) yield last;
      last = piece;
    }
  }
  if (last) yield last;
}

async function* rawPieces(map: BlockMap, range: Range, options: SignalOptions): AsyncGenerator<Piece> {
  await map.table(options);
  const end = range.offset + range.length;
  for (let at = range.offset; at < end; ) {
    options.signal?.throwIfAborted();
    const block = Math.floor(at / map.blockBytes);
    const absent = map.absentRun(block);
    const next = Math.min(end, (block + Math.max(1, absent)) * map.blockBytes);
    const part = { offset: at, length: next - at };
    if (absent > 0) {
      yield { ...part, kind: 'hole', fileOffset: 0 };
    } else {
      const place = (await map.place(block, options))!;
      const inBlock = at - block * map.blockBytes;
      if (map.hasParent) yield* partialPieces(map, block, place, part, options);
      else yield { ...part, kind: 'data', fileOffset: place + map.bitmapBytes + inBlock };
    }
    at = next;
  }
}

async function* partialPieces(
  map: BlockMap,
  block: number,
  place: number,
  range: Range,
  options: SignalOptions,
): AsyncGenerator<Piece> {
  const bits = await map.bitmap(block, place, options);
  const start = block * map.blockBytes;
  const first = Math.floor((range.offset - start) / sectorBytes);
  const last = Math.ceil((range.offset + range.length - start) / sectorBytes);
  for (const run of bitRuns(bits, first, last, 'msb-first')) {
    const from = Math.max(range.offset, start + run.start * sectorBytes);
    const to = Math.min(range.offset + range.length, start + run.end * sectorBytes);
    const kind = run.set ? 'data' : 'hole';
    yield { offset: from, length: to - from, kind, fileOffset: place + map.bitmapBytes + (from - start) };
  }
}

const holeSearchBytes = 2 ** 20;

/** Extents of the range; holes that the file itself has inside present blocks are told as zeros. */
export async function* extentsOf(
  map: BlockMap,
  range: Range,
  options: SignalOptions,
): AsyncGenerator<Extent> {
  for await (const { offset, length, kind, fileOffset } of mapRange(map, range, options)) {
    if (kind !== 'data' || length < holeSearchBytes) {
      yield { offset, length, kind, layer: 0 };
      continue;
    }
    for (const extent of fileExtents(map, { offset: fileOffset, length })) {
      yield { ...extent, offset: extent.offset - fileOffset + offset };
    }
  }
}

/** A range of the file as data and zeros. */
export function* fileExtents(map: Pick<BlockMap, 'file'>, range: Range): Generator<Extent> {
  let at = range.offset;
  for (const data of map.file.dataRanges(range)) {
    if (data.offset > at) yield { offset: at, length: data.offset - at, kind: 'zero', layer: 0 };
    yield { ...data, kind: 'data', layer: 0 };
    at = data.offset + data.length;
  }
  const end = range.offset + range.length;
  if (at < end) yield { offset: at, length: end - at, kind: 'zero', layer: 0 };
}

/** Reads a range; holes read as zero. */
export async function readRange(
  map: BlockMap,
  target: Uint8Array,
  offset: number,
  options: SignalOptions,
): Promise<void> {
  for await (const piece of mapRange(map, { offset, length: target.length }, options)) {
    const start = piece.offset - offset;
    const part = target.subarray(start, start + piece.length);
    if (piece.kind === 'data') await map.file.readExact(part, piece.fileOffset, 'content', options);
    else part.fill(0);
  }
}
