/** Another size for a qcow2 disk, in place. The header's size is the switch: before it new space is ready, after it old space goes. */
import type { ResizeOptions } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import type { BlockFile } from '../file.ts';
import { readBitmapDirectory } from './bitmap-directory.ts';
import { planQcow2 } from './create.ts';
import { Qcow2Image } from './image.ts';
import { clusterOffset } from './l2-table.ts';
import { Qcow2Reader } from './reader.ts';
import { compressedCluster, isCompressed, readEntry } from './table-entry.ts';
import { Qcow2Writer } from './writer.ts';

/** @throws disk.shrink-refused; disk.unsupported-feature with bitmaps or snapshots; disk.size-unsupported */
export async function resizeFile(file: BlockFile, sizeBytes: number, options: ResizeOptions): Promise<void> {
  const image = await Qcow2Image.load(file, { writable: true, signal: options.signal });
  const { geometry } = image;
  planQcow2({ sizeBytes, blockBytes: geometry.clusterBytes, extendedL2: geometry.extendedL2 });
  const from = image.header.sizeBytes;
  if (sizeBytes < from && !options.shrink) {
    throw diskErrors['shrink-refused']({ path: file.path, from, to: sizeBytes });
  }
  await refuseCompanions(image, sizeBytes < from, options);
  await image.beforeChange();
  if (sizeBytes < from) await shrink(image, sizeBytes, options);
  else if (sizeBytes > from) await grow(image, sizeBytes, options);
  await image.flush();
  await image.seal();
}

async function refuseCompanions(image: Qcow2Image, shrinks: boolean, options: ResizeOptions): Promise<void> {
  const { path } = image.file;
  const bitmaps = await readBitmapDirectory(image.file, image.header, options);
  if (bitmaps && bitmaps.bitmaps.length > 0) {
    throw diskErrors['unsupported-feature']({
      path,
      feature: 'persistent bitmaps, which would have to change their size too',
      fix: 'Remove them with "qemu-img bitmap --remove", or resize with "qemu-img resize".',
    });
  }
  const { snapshots } = image.snapshots;
  // A snapshot without a size of its own takes the disk's, and would change with it.
  if (snapshots.length > 0 && (shrinks || snapshots.some((snapshot) => snapshot.sizeBytes === undefined))) {
    throw diskErrors['unsupported-feature']({
      path,
      feature: 'internal snapshots of the old size',
      fix: 'Delete them with "qemu-img snapshot -d" first.',
    });
  }
}

async function grow(image: Qcow2Image, sizeBytes: number, options: ResizeOptions): Promise<void> {
  const { geometry } = image;
  const from = image.header.sizeBytes;
  const mapped = image.header.l1Entries * geometry.tableSpan;
  const entries = Math.ceil(sizeBytes / geometry.tableSpan);
  await image.flush();
  if (entries > image.header.l1Entries) await image.growL1(entries);
  // A former, larger disk may have left data behind the end; a longer parent would show its own there.
  const parentEnd = image.header.backingName === undefined ? 0 : (options.parentBytes ?? sizeBytes);
  await zeroRange(image, from, Math.min(sizeBytes, Math.max(mapped, parentEnd)), options);
  await image.flush();
  await image.writeHeader({ sizeBytes });
}

async function zeroRange(
  image: Qcow2Image,
  from: number,
  end: number,
  options: ResizeOptions,
): Promise<void> {
  const { tableSpan } = image.geometry;
  const writer = new Qcow2Writer(image, new Qcow2Reader(image));
  for (let at = from; at < end; ) {
    options.signal?.throwIfAborted();
    const index = Math.floor(at / tableSpan);
    const stop = Math.min(end, (index + 1) * tableSpan);
    await writer.zero(index, at - index * tableSpan, stop - index * tableSpan, options);
    options.onProgress?.({ doneBytes: stop - from, totalBytes: end - from });
    at = stop;
  }
}

async function shrink(image: Qcow2Image, sizeBytes: number, options: ResizeOptions): Promise<void> {
  const { geometry } = image;
  const tables = image.header.l1Entries;
  await image.writeHeader({ sizeBytes });
  const firstDead = Math.ceil(sizeBytes / geometry.clusterBytes) * geometry.clusterBytes;
  for (let index = Math.floor(firstDead / geometry.tableSpan); index < tables; index += 1) {
    options.signal?.throwIfAborted();
    const keepTo = Math.max(0, firstDead - index * geometry.tableSpan) / geometry.clusterBytes;
    await dropEntries(image, index, keepTo);
    if (keepTo === 0) image.dropL2Table(index);
    await image.beforeChange();
  }
}

/** Releases what the entries of a table from `first` on point to, and empties them. */
async function dropEntries(image: Qcow2Image, index: number, first: number): Promise<void> {
  const { geometry, file } = image;
  if (image.l2Offset(index) === 0) return;
  const table = await image.ownL2Table(index);
  for (let entry = first; entry < geometry.entriesPerTable; entry += 1) {
    const at = entry * geometry.entryBytes;
    const value = readEntry(table.bytes, at);
    if (isCompressed(value)) {
      const { hostOffset, length } = compressedCluster(value, geometry.clusterBits);
      image.release(hostOffset, length);
    } else {
      const offset = clusterOffset(value, geometry, file.length);
      if (offset !== 0) image.release(offset);
    }
  }
  const from = first * geometry.entryBytes;
  table.bytes.fill(0, from);
  if (from < table.bytes.length) image.l2.touch(table.offset, from, table.bytes.length);
}
