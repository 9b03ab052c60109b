/** Giving space back: blocks of zeros, gaps, the tail of the file. What a guest reads stays as it is. */
import { Buffer } from 'node:buffer';
import type { CompactReport, ProgressOptions } from '../disk.ts';
import { type BlockFile, DiskFile } from '../file.ts';
import { bitRuns } from '../sector-bitmap.ts';
import { isZeroPlace } from '../zero-place.ts';
import { absentEntry, bitmapBlockBytes, payloadState, zeroEntry } from './block-table.ts';
import { VhdxImage } from './image.ts';
import { MiB } from './limits.ts';
import { entryContentBytes, type ScannedEntry, scanTable } from './table-scan.ts';
import { VhdxWriter } from './writer.ts';

const pieceBytes = 4 * MiB;
/** Moves between two commits: bounds the space that waits to be free. */
const movesPerCommit = 16;

/** @throws disk.corrupt and the other errors of opening; the file stays whole at any point */
export async function compactVhdx(path: string, options: ProgressOptions = {}): Promise<CompactReport> {
  await using file = await DiskFile.open(path, 'write');
  const fileBytesBefore = file.length;
  const occupiedBytesBefore = await file.occupiedBytes();
  await compactVhdxFile(file, options);
  const occupiedBytesAfter = await file.occupiedBytes();
  return { fileBytesBefore, fileBytesAfter: file.length, occupiedBytesBefore, occupiedBytesAfter };
}

export async function compactVhdxFile(file: BlockFile, options: ProgressOptions): Promise<void> {
  const image = await VhdxImage.open(file, { replayIntoFile: true, signal: options.signal });
  const writer = new VhdxWriter(image);
  // A fixed disk stays fully provisioned (2.6.2.1).
  if (!image.structure.metadata.leaveBlockAllocated) {
    const space = await writer.space(options);
    await writer.begin({ visible: false });
    await dropZeros(writer, options);
    await moveForward(writer, options);
    await writer.cut(space.usedEnd);
    await writer.end();
  }
}

/** Blocks that hold only zeros, and partially present ones that hold nothing. */
async function dropZeros(writer: VhdxWriter, options: ProgressOptions): Promise<void> {
  const { image } = writer;
  const totalBytes = image.structure.metadata.sizeBytes;
  for await (const { block, entry } of scanTable(image, options)) {
    if (block === undefined) continue;
    options.onProgress?.({ doneBytes: (block * image.layout.blockBytes) / 2, totalBytes });
    if (entry.state === payloadState.fullyPresent) {
      const place = { offset: entry.fileOffset, length: image.layout.usedBytes(block) };
      if (!(await isZeroPlace(image.file, place, options))) continue;
      await writer.dropBlock(block, entry, image.hasParent ? zeroEntry : absentEntry);
    } else if (entry.state === payloadState.partiallyPresent) {
      if (!(await holdsNothing(image, block, options))) continue;
      await writer.dropBlock(block, entry);
    }
  }
  await writer.commit();
}

async function holdsNothing(image: VhdxImage, block: number, options: ProgressOptions): Promise<boolean> {
  const { bytes } = await image.bitmap(block, options);
  const sectors = image.layout.usedBytes(block) / image.layout.sectorBytes;
  for (const run of bitRuns(bytes, 0, sectors, 'lsb-first')) if (run.set) return false;
  return true;
}

/** Moves what lies behind the length that the file would have without gaps into the gaps, the last structure first. */
async function moveForward(writer: VhdxWriter, options: ProgressOptions): Promise<void> {
  const { image } = writer;
  const space = await writer.space();
  const wantedEnd = space.fileBytes - space.freeBytes;
  const placed: Pick<ScannedEntry, 'index' | 'entry'>[] = [];
  for await (const scanned of scanTable(image, options)) {
    const length = entryContentBytes(image, scanned);
    if (length > 0 && scanned.entry.fileOffset + length > wantedEnd) placed.push(scanned);
  }
  placed.sort((a, b) => b.entry.fileOffset - a.entry.fileOffset);
  const totalBytes = image.structure.metadata.sizeBytes;
  let moves = 0;
  for (const [done, { index, entry }] of placed.entries()) {
    options.signal?.throwIfAborted();
    options.onProgress?.({ doneBytes: (totalBytes * (1 + done / placed.length)) / 2, totalBytes });
    const length =
      image.layout.blockOfIndex(index) === undefined ? bitmapBlockBytes : image.layout.blockBytes;
    const target = space.find(length, entry.fileOffset);
    if (target === undefined) continue;
    await move(writer, index, { ...entry, target, length }, options);
    moves += 1;
    if (moves % movesPerCommit === 0) await writer.commit();
  }
  await writer.commit();
}

async function move(
  writer: VhdxWriter,
  index: number,
  from: {
    readonly state: number;
    readonly fileOffset: number;
    readonly target: number;
    readonly length: number;
  },
  options: ProgressOptions,
): Promise<void> {
  const { image } = writer;
  const { file } = image;
  const space = await writer.space();
  const { state, fileOffset, target, length } = from;
  // Bitmaps that changed in memory are in the file by now: nothing else is changed while a file is compacted.
  image.cache.forget(target, length);
  await file.punch(target, length);
  const buffer = Buffer.alloc(Math.min(pieceBytes, length));
  for (const range of file.dataRanges({ offset: fileOffset, length })) {
    for (let done = 0; done < range.length; done += buffer.length) {
      const piece = buffer.subarray(0, Math.min(buffer.length, range.length - done));
      await file.readPadded(piece, range.offset + done, options);
      await file.writeAll(piece, target - fileOffset + range.offset + done, options);
    }
  }
  space.take({ offset: target, length });
  await image.setEntry(index, { state, fileOffset: target }, options);
  writer.free({ offset: fileOffset, length });
}
