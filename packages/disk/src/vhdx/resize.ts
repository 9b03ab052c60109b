/** Changing the size of a VHDX in place (docs/formats/vhdx.md, order of writes: resize). */
import { Buffer } from 'node:buffer';
import type { ResizeOptions } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import { DiskFile } from '../file.ts';
import {
  absentEntry,
  type BatEntry,
  BatLayout,
  entryBytes,
  hasContent,
  payloadState,
  readEntry,
  writeEntry,
  zeroEntry,
} from './block-table.ts';
import { checkSize } from './create.ts';
import { VhdxImage } from './image.ts';
import { alignment, alignUp, MiB } from './limits.ts';
import { encodeSize, items } from './metadata.ts';
import { pageBytes } from './page-cache.ts';
import { batGuid, encodeRegionTable, regionTableOffsets } from './region-table.ts';
import { entryContentBytes, scanTable } from './table-scan.ts';
import { VhdxWriter } from './writer.ts';

const pieceBytes = MiB;

/** @throws disk.size-unsupported; disk.shrink-refused; and the errors of opening */
export async function resizeVhdx(
  path: string,
  sizeBytes: number,
  options: ResizeOptions = {},
): Promise<void> {
  await using file = await DiskFile.open(path, 'write');
  const image = await VhdxImage.open(file, { replayIntoFile: true, signal: options.signal });
  await resizeImage(image, sizeBytes, options);
}

export async function resizeImage(
  image: VhdxImage,
  sizeBytes: number,
  options: ResizeOptions,
): Promise<void> {
  const { metadata } = image.structure;
  checkSize(sizeBytes, metadata.logicalSectorBytes);
  const from = metadata.sizeBytes;
  if (sizeBytes === from) return;
  if (sizeBytes < from && !options.shrink) {
    throw diskErrors['shrink-refused']({ path: image.path, from, to: sizeBytes });
  }
  const writer = new VhdxWriter(image);
  await writer.space(options);
  await writer.begin({ visible: true });
  const layout = new BatLayout({ ...metadata, sizeBytes }, image.hasParent);
  if (sizeBytes > from) await grow(writer, layout, options);
  else await shrink(writer, layout, options);
  await writer.end();
}

async function grow(writer: VhdxWriter, layout: BatLayout, options: ResizeOptions): Promise<void> {
  const { image } = writer;
  const { bat, regions } = image.structure;
  await clearLastBlock(writer, options);
  const newEntry = await entriesOfNewBlocks(writer, layout, options.parentBytes ?? Number.POSITIVE_INFINITY);
  if (layout.tableBytes <= bat.length) {
    await fillTable(writer, layout, newEntry, options);
    await writer.commit();
    await switchSize(writer, layout.sizeBytes);
    return;
  }
  await writer.commit();
  const length = alignUp(layout.tableBytes, alignment);
  const offset = await writer.allocate(length);
  await copyTable(image, layout, offset, newEntry, options);
  const table = encodeRegionTable(
    regions.map((region) => (region.guid === batGuid ? { ...region, offset, length } : region)),
  );
  for (const at of regionTableOffsets) await image.cache.write(at, table);
  await switchSize(writer, layout.sizeBytes);
  await image.file.punch(bat.offset, bat.length);
}

/** One log entry for everything that says how large the disk is: after a crash it has the old size or the new one. */
async function switchSize(writer: VhdxWriter, sizeBytes: number): Promise<void> {
  const { metadataEntries, metadataRegion } = writer.image.structure;
  const entry = metadataEntries.find((item) => item.itemId === items.virtualDiskSize && !item.isUser)!;
  await writer.image.cache.write(metadataRegion.offset + entry.offset, encodeSize(sizeBytes));
  await writer.commit({ atomic: true });
}

/** Behind the end of the disk the last block may hold anything: it becomes zero while nobody sees it. */
async function clearLastBlock(writer: VhdxWriter, options: ResizeOptions): Promise<void> {
  const { image } = writer;
  const { layout } = image;
  const block = layout.payloadBlocks - 1;
  const used = layout.usedBytes(block);
  if (used === layout.blockBytes) return;
  const entry = await image.payload(block, options);
  if (hasContent(entry) && image.file.length < entry.fileOffset + layout.blockBytes) {
    await image.file.truncate(entry.fileOffset + layout.blockBytes);
  }
  await writer.zeroInBlock(
    block,
    entry,
    { offset: layout.sizeBytes, length: layout.blockBytes - used },
    options,
  );
}

/** What the table says of a block that the disk did not have before: zeros, where a longer parent may hold something. */
async function entriesOfNewBlocks(
  writer: VhdxWriter,
  layout: BatLayout,
  parentBytes: number,
): Promise<(block: number) => BatEntry> {
  const { image } = writer;
  const { payloadBlocks, blockBytes } = image.layout;
  const added = layout.payloadBlocks - payloadBlocks;
  if (!image.structure.metadata.leaveBlockAllocated || added === 0) {
    return (block) => (image.hasParent && block * blockBytes < parentBytes ? zeroEntry : absentEntry);
  }
  const start = await writer.allocate(added * blockBytes);
  await image.file.reserve(start, added * blockBytes);
  return (block) => ({
    state: payloadState.fullyPresent,
    fileOffset: start + (block - payloadBlocks) * blockBytes,
  });
}

/** Writes the new entries into a table that has room for them. They are not looked at before the size changes. */
async function fillTable(
  writer: VhdxWriter,
  layout: BatLayout,
  newEntry: (block: number) => BatEntry,
  options: ResizeOptions,
): Promise<void> {
  const { image } = writer;
  for (let index = firstNewIndex(image.layout); index < layout.entries; ) {
    options.signal?.throwIfAborted();
    const page = await image.tablePage(index, options);
    const inPage = image.entryOffset(index) % pageBytes;
    const count = Math.min(layout.entries - index, (pageBytes - inPage) / entryBytes);
    for (const at of fillEntries(page.bytes.subarray(inPage), index, count, image.layout, layout, newEntry)) {
      image.cache.touch(page, inPage + at, entryBytes);
    }
    await writer.commitIfMany();
    index += count;
  }
}

/** Copies the table, grown, to a place that nothing points to yet; zeros are there already. */
async function copyTable(
  image: VhdxImage,
  layout: BatLayout,
  target: number,
  newEntry: (block: number) => BatEntry,
  options: ResizeOptions,
): Promise<void> {
  const { bat } = image.structure;
  const oldBytes = image.layout.tableBytes;
  for (let at = 0; at < layout.tableBytes; at += pieceBytes) {
    const bytes = Buffer.alloc(Math.min(pieceBytes, layout.tableBytes - at));
    const copied = Math.max(0, Math.min(bytes.length, oldBytes - at));
    await image.file.readExact(bytes.subarray(0, copied), bat.offset + at, 'block allocation table', options);
    const index = at / entryBytes;
    for (const _ of fillEntries(bytes, index, bytes.length / entryBytes, image.layout, layout, newEntry));
    await image.file.writeAll(bytes, target + at, options);
  }
}

function firstNewIndex(before: BatLayout): number {
  return before.payloadIndex(before.payloadBlocks);
}

/** Sets the entries of new blocks and chunks in a piece of the table; yields where something changed. */
function* fillEntries(
  bytes: Buffer,
  firstIndex: number,
  count: number,
  before: BatLayout,
  after: BatLayout,
  newEntry: (block: number) => BatEntry,
): Generator<number> {
  for (let done = 0; done < count; done += 1) {
    const index = firstIndex + done;
    const block = after.blockOfIndex(index);
    const isNew =
      block === undefined ? index >= before.bitmapIndex(before.chunks) : block >= before.payloadBlocks;
    if (!isNew) continue;
    const wanted = block === undefined || block >= after.payloadBlocks ? absentEntry : newEntry(block);
    const at = done * entryBytes;
    const found = readEntry(bytes, at);
    if (found.state === wanted.state && found.fileOffset === wanted.fileOffset) continue;
    writeEntry(bytes, wanted, at);
    yield at;
  }
}

/** The size first: a crash then leaves unused blocks, never a disk whose end is missing. */
async function shrink(writer: VhdxWriter, layout: BatLayout, options: ResizeOptions): Promise<void> {
  const { image } = writer;
  await switchSize(writer, layout.sizeBytes);
  for await (const scanned of scanTable(image, options)) {
    const { index, block, entry } = scanned;
    const beyond =
      block === undefined ? index >= layout.bitmapIndex(layout.chunks) : block >= layout.payloadBlocks;
    if (!beyond) continue;
    const length = entryContentBytes(image, scanned);
    if (length > 0) writer.free({ offset: entry.fileOffset, length });
    await image.setEntry(index, absentEntry, options);
    await writer.commitIfMany();
  }
  await writer.commit();
  const space = await writer.space(options);
  await writer.cut(space.usedEnd);
}
