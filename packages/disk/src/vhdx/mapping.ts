/** From ranges of the disk to places in the file. */
import type { Extent, ExtentKind, Range, SignalOptions } from '../disk.ts';
import { bitRuns } from '../sector-bitmap.ts';
import { type BatEntry, entryBytes, payloadState } from './block-table.ts';
import type { VhdxImage } from './image.ts';
import { pageBytes } from './page-cache.ts';

/** A range of the disk of one kind; `fileOffset` means something for data only. */
export interface Piece extends Range {
  readonly kind: ExtentKind;
  readonly fileOffset: number;
}

/** Pieces of the range in order, without gaps. Neighbours that continue each other are one. */
export async function* mapRange(
  image: VhdxImage,
  range: Range,
  options: SignalOptions,
): AsyncGenerator<Piece> {
  let last: Piece | undefined;
  for await (const piece of rawPieces(image, range, options)) {
    if (last && continues(last, piece)) {
      last = { ...last, length: last.length + piece.length };
    } else {
      if (last) yield last;
      last = piece;
    }
  }
  if (last) yield last;
}

function continues(last: Piece, next: Piece): boolean {
  return (
    last.kind === next.kind && (next.kind !== 'data' || last.fileOffset + last.length === next.fileOffset)
  );
}

async function* rawPieces(image: VhdxImage, range: Range, options: SignalOptions): AsyncGenerator<Piece> {
  const { layout } = image;
  const end = range.offset + range.length;
  let at = range.offset;
  while (at < end) {
    const block = Math.floor(at / layout.blockBytes);
    const skipped = await emptyRun(image, block, options);
    if (skipped > 0) {
      const next = Math.min(end, (block + skipped) * layout.blockBytes);
      yield { offset: at, length: next - at, kind: 'hole', fileOffset: 0 };
      at = next;
      continue;
    }
    const entry = await image.payload(block, options);
    const next = Math.min(end, (block + 1) * layout.blockBytes);
    yield* blockPieces(image, block, entry, { offset: at, length: next - at }, options);
    at = next;
  }
}

/** How many blocks from this one on are absent because their page of the table is all zeros. */
async function emptyRun(image: VhdxImage, block: number, options: SignalOptions): Promise<number> {
  const { layout } = image;
  const index = layout.payloadIndex(block);
  const page = image.cache.cached(image.entryOffset(index)) ?? (await image.tablePage(index, options));
  if (!page.isZero) return 0;
  options.signal?.throwIfAborted();
  const inPage = (image.entryOffset(index) - page.fileOffset) / entryBytes;
  const lastIndex = index + pageBytes / entryBytes - inPage - 1;
  // The last entry of the page may be a bitmap's; the blocks before it are counted all the same.
  const lastBlock = layout.blockOfIndex(lastIndex) ?? layout.blockOfIndex(lastIndex - 1) ?? block;
  return lastBlock - block + 1;
}

/** Pieces of one block. */
export async function* blockPieces(
  image: VhdxImage,
  block: number,
  entry: BatEntry,
  range: Range,
  options: SignalOptions,
): AsyncGenerator<Piece> {
  const inBlock = range.offset - block * image.layout.blockBytes;
  switch (entry.state) {
    case payloadState.fullyPresent:
      yield { ...range, kind: 'data', fileOffset: entry.fileOffset + inBlock };
      return;
    case payloadState.partiallyPresent:
      yield* partialPieces(image, block, entry, range, options);
      return;
    case payloadState.notPresent:
      yield { ...range, kind: 'hole', fileOffset: 0 };
      return;
    default:
      yield { ...range, kind: 'zero', fileOffset: 0 };
  }
}

async function* partialPieces(
  image: VhdxImage,
  block: number,
  entry: BatEntry,
  range: Range,
  options: SignalOptions,
): AsyncGenerator<Piece> {
  const { sectorBytes, blockBytes } = image.layout;
  const start = block * blockBytes;
  const bits = (await image.bitmap(block, options)).bytes;
  const first = Math.floor((range.offset - start) / sectorBytes);
  const last = Math.ceil((range.offset + range.length - start) / sectorBytes);
  for (const run of bitRuns(bits, first, last, 'lsb-first')) {
    const from = Math.max(range.offset, start + run.start * sectorBytes);
    const to = Math.min(range.offset + range.length, start + run.end * sectorBytes);
    const kind = run.set ? 'data' : 'hole';
    yield { offset: from, length: to - from, kind, fileOffset: entry.fileOffset + (from - start) };
  }
}

/** Data shorter than this is not searched for holes in the file. */
const holeSearchBytes = 2 ** 20;

/** Extents of the range. What the file itself has as a hole inside a present block is told as zeros. */
export async function* extentsOf(
  image: VhdxImage,
  range: Range,
  options: SignalOptions,
): AsyncGenerator<Extent> {
  for await (const { offset, length, kind, fileOffset } of mapRange(image, range, options)) {
    if (kind !== 'data' || length < holeSearchBytes) yield { offset, length, kind, layer: 0 };
    else yield* withoutHoles(image, offset, fileOffset, length);
  }
}

function* withoutHoles(
  image: VhdxImage,
  offset: number,
  fileOffset: number,
  length: number,
): Generator<Extent> {
  let at = fileOffset;
  const extent = (kind: ExtentKind, from: number, to: number): Extent => ({
    offset: offset + (from - fileOffset),
    length: to - from,
    kind,
    layer: 0,
  });
  for (const data of image.file.dataRanges({ offset: fileOffset, length })) {
    if (data.offset > at) yield extent('zero', at, data.offset);
    yield extent('data', data.offset, data.offset + data.length);
    at = data.offset + data.length;
  }
  if (at < fileOffset + length) yield extent('zero', at, fileOffset + length);
}

/** Reads a range; holes read as zero. Blocks that lie one behind another in the file are read at once. */
export async function readRange(
  image: VhdxImage,
  target: Uint8Array,
  offset: number,
  options: SignalOptions,
): Promise<void> {
  for await (const piece of mapRange(image, { offset, length: target.length }, options)) {
    const start = piece.offset - offset;
    const part = target.subarray(start, start + piece.length);
    if (piece.kind === 'data') await image.file.readExact(part, piece.fileOffset, 'content', options);
    else part.fill(0);
  }
}
