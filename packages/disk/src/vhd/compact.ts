/** Giving space back: blocks of zeros, gaps, the tail of the file. What a guest reads stays as it is. */
import { Buffer } from 'node:buffer';
import type { CompactReport, ProgressOptions, Range } from '../disk.ts';
import { type BlockFile, DiskFile } from '../file.ts';
import { bitRuns } from '../sector-bitmap.ts';
import { isZeroPlace } from '../zero-place.ts';
import { BlockMap } from './block-map.ts';
import { encodeFooter, footerBytes, sectorBytes, type VhdFooter } from './footer.ts';
import { readVhdStructure } from './structure.ts';
import { dataAlignment, occupancy, VhdWriter } from './writer.ts';

const pieceBytes = 2 ** 22;
const movesPerFlush = 16;

/** @throws disk.corrupt and the other errors of opening; the file stays whole at any point */
export async function compactVhd(path: string, options: ProgressOptions = {}): Promise<CompactReport> {
  await using file = await DiskFile.open(path, 'write');
  const fileBytesBefore = file.length;
  const occupiedBytesBefore = await file.occupiedBytes();
  await compactVhdFile(file, options);
  const occupiedBytesAfter = await file.occupiedBytes();
  return { fileBytesBefore, fileBytesAfter: file.length, occupiedBytesBefore, occupiedBytesAfter };
}

export async function compactVhdFile(file: BlockFile, options: ProgressOptions): Promise<void> {
  const structure = await readVhdStructure(file, options);
  if (!structure.dynamic) return;
  const map = new BlockMap(file, structure, structure.dynamic);
  await new VhdWriter(map, structure).begin(options);
  await dropEmpty(map, options);
  await fillGaps(map, options);
  await cutTail(map, structure.footer, options);
}

/** Makes changes of the table stable; what they rely on is flushed before them. */
async function settleTable(map: BlockMap): Promise<void> {
  await map.file.sync();
  for (const change of await map.changedTable()) await map.file.writeAll(change.bytes, change.fileOffset);
  await map.file.sync();
  map.settle();
}

async function dropEmpty(map: BlockMap, options: ProgressOptions): Promise<void> {
  const totalBytes = map.sizeBytes;
  for (const { block, place } of await map.present(options)) {
    options.signal?.throwIfAborted();
    options.onProgress?.({ doneBytes: (block * map.blockBytes) / 2, totalBytes });
    const empty = map.hasParent
      ? await holdsNothing(map, block, place, options)
      : await isZeroPlace(
          map.file,
          { offset: place + map.bitmapBytes, length: map.usedBytes(block) },
          options,
        );
    if (empty) await map.setPlace(block, undefined);
  }
  await settleTable(map);
}

async function holdsNothing(
  map: BlockMap,
  block: number,
  place: number,
  options: ProgressOptions,
): Promise<boolean> {
  const bits = await map.bitmap(block, place, options);
  for (const run of bitRuns(bits, 0, Math.ceil(map.usedBytes(block) / sectorBytes), 'msb-first')) {
    if (run.set) return false;
  }
  return true;
}

/** Moves the last blocks of the file into gaps between the other structures, while there is a gap before them. */
async function fillGaps(map: BlockMap, options: ProgressOptions): Promise<void> {
  const blockOfPlace = new Map<number, number>();
  for (const { block, place } of await map.present(options)) blockOfPlace.set(place, block);
  const { places } = await occupancy(map, options);
  const length = map.bitmapBytes + map.blockBytes;
  let moves = 0;
  for (const { from, to } of planMoves(places, fixedRanges(map), length, map.bitmapBytes)) {
    options.signal?.throwIfAborted();
    await moveBlock(map, blockOfPlace.get(from)!, { from, to, length }, options);
    moves += 1;
    if (moves % movesPerFlush === 0) await settleTable(map);
  }
  await settleTable(map);
}

/** What stays where it is, in the order of the file. */
function fixedRanges(map: BlockMap): readonly Range[] {
  const locators = map.dynamic.header.locators.map((entry) => ({
    offset: entry.fileOffset,
    length: entry.length,
  }));
  return [...map.reserved(), ...locators].sort((a, b) => a.offset - b.offset);
}

/**
 * Which blocks move where: the last one into the first gap that holds it, and so on. A target is free before the first
 * move, so no move waits for another one.
 */
export function* planMoves(
  places: Float64Array,
  fixed: readonly Range[],
  length: number,
  bitmapBytes: number,
): Generator<{ readonly from: number; readonly to: number }> {
  let cursor = 0;
  let next = 0;
  let nextFixed = 0;
  let last = places.length - 1;
  while (next <= last) {
    const block = places[next]!;
    const range = fixed[nextFixed];
    const obstacle = range && range.offset < block ? range : { offset: block, length };
    // As in new files the data begins at a multiple of 4 KiB where the gap allows it.
    const aligned = Math.ceil((cursor + bitmapBytes) / dataAlignment) * dataAlignment - bitmapBytes;
    const to = aligned + length <= obstacle.offset ? aligned : Math.ceil(cursor / sectorBytes) * sectorBytes;
    if (to + length <= obstacle.offset) {
      yield { from: places[last]!, to };
      last -= 1;
      cursor = to + length;
    } else {
      cursor = Math.max(cursor, obstacle.offset + obstacle.length);
      if (obstacle === range) nextFixed += 1;
      else next += 1;
    }
  }
}

async function moveBlock(
  map: BlockMap,
  block: number,
  { from, to, length }: { readonly from: number; readonly to: number; readonly length: number },
  options: ProgressOptions,
): Promise<void> {
  const { file } = map;
  await file.punch(to, length);
  const buffer = Buffer.alloc(Math.min(pieceBytes, length));
  for (const range of file.dataRanges({ offset: from, length })) {
    for (let done = 0; done < range.length; done += buffer.length) {
      const piece = buffer.subarray(0, Math.min(buffer.length, range.length - done));
      await file.readPadded(piece, range.offset + done, options);
      await file.writeAll(piece, to - from + range.offset + done, options);
    }
  }
  await map.setPlace(block, to);
}

async function cutTail(map: BlockMap, footer: VhdFooter, options: ProgressOptions): Promise<void> {
  const { file } = map;
  const { end } = await occupancy(map, options);
  if (end + footerBytes >= file.length) return;
  await file.writeAll(encodeFooter(footer), end);
  await file.sync();
  await file.truncate(end + footerBytes);
  await file.sync();
}
