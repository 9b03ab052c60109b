/** From ranges of the disk to places in the file. */
import type { Extent, ExtentKind, Range, SignalOptions } from '../disk.ts';
import { bitRuns } from '../sector-bitmap.ts';
import { type BatEntry, type BatLayout, entryBytes, payloadState, readEntry } from './block-table.ts';
import type { VhdxImage } from './image.ts';
import { type Page, pageBytes } from './page-cache.ts';

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
    options.signal?.throwIfAborted();
    const index = layout.payloadIndex(Math.floor(at / layout.blockBytes));
    const page = image.cache.cached(image.entryOffset(index)) ?? (await image.tablePage(index, options));
    for (const run of pageRuns(image, page, { offset: at, length: end - at })) {
      if (run.kind === 'partial') yield* partialPieces(image, run.block, run.fileOffset, run, options);
      else yield run;
      at = run.offset + run.length;
    }
  }
}

interface PartialBlock extends Range {
  readonly kind: 'partial';
  readonly block: number;
  readonly fileOffset: number;
}

/** Runs of blocks of one kind, as far as one page of the table tells; sparse disks have very many blocks. */
function* pageRuns(image: VhdxImage, page: Page, range: Range): Generator<Piece | PartialBlock> {
  const { layout } = image;
  const end = range.offset + range.length;
  let run: Piece | undefined;
  let at = range.offset;
  while (at < end) {
    const block = Math.floor(at / layout.blockBytes);
    const inPage = image.entryOffset(layout.payloadIndex(block)) - page.fileOffset;
    if (inPage >= pageBytes) break;
    const blocks = page.isZero ? blocksToEnd(image, block, inPage) : 1;
    const next = Math.min(end, (block + blocks) * layout.blockBytes);
    const entry = readEntry(page.bytes, inPage);
    image.checkPayload(block, entry);
    const piece = pieceOf(layout, block, entry, { offset: at, length: next - at });
    at = next;
    if (run && piece.kind !== 'partial' && continues(run, piece)) {
      run = { ...run, length: run.length + piece.length };
      continue;
    }
    if (run) yield run;
    run = piece.kind === 'partial' ? undefined : piece;
    if (piece.kind === 'partial') yield piece;
  }
  if (run) yield run;
}

/** Blocks from this one on whose entries are in the page. The last entry may be a bitmap's. */
function blocksToEnd(image: VhdxImage, block: number, inPage: number): number {
  const { layout } = image;
  const last = layout.payloadIndex(block) + (pageBytes - inPage) / entryBytes - 1;
  const lastBlock = layout.blockOfIndex(last) ?? layout.blockOfIndex(last - 1) ?? block;
  return Math.max(1, lastBlock - block + 1);
}

function pieceOf(layout: BatLayout, block: number, entry: BatEntry, range: Range): Piece | PartialBlock {
  const inBlock = range.offset - block * layout.blockBytes;
  switch (entry.state) {
    case payloadState.fullyPresent:
      return { ...range, kind: 'data', fileOffset: entry.fileOffset + inBlock };
    case payloadState.partiallyPresent:
      return { ...range, kind: 'partial', block, fileOffset: entry.fileOffset };
    case payloadState.notPresent:
      return { ...range, kind: 'hole', fileOffset: 0 };
    default:
      return { ...range, kind: 'zero', fileOffset: 0 };
  }
}

async function* partialPieces(
  image: VhdxImage,
  block: number,
  fileOffset: number,
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
    yield { offset: from, length: to - from, kind, fileOffset: fileOffset + (from - start) };
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
