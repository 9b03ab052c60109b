/** What is read of a qcow2 file before anything of it is served: its header, and all that only a writer needs. */
import { Buffer } from 'node:buffer';
import type { SignalOptions } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import type { BlockFile } from '../file.ts';
import { readBitmapDirectory } from './bitmap-directory.ts';
import { checkHeaderBounds, type Header, hasFeature, incompatible, parseHeader } from './header.ts';
import { maxFileBytes, maxSnapshotL1Bytes } from './limits.ts';
import { MetadataMap } from './metadata-map.ts';
import { Refcounts } from './refcounts.ts';
import type { SnapshotTable } from './snapshot-table.ts';
import { entryOffset, readEntry } from './table-entry.ts';

/** What only an image that is written to needs. */
export interface WriteState {
  readonly refcounts: Refcounts;
  readonly metadata: MetadataMap;
}

/** Reads and checks the header. @throws disk.unknown-format; disk.corrupt; disk.unsupported-feature */
export async function readHeader(file: BlockFile, options?: SignalOptions): Promise<Header> {
  const first = Buffer.alloc(Math.min(64 * 1024, file.length));
  await file.readExact(first, 0, 'header', options);
  const clusterBits = first.length >= 24 ? first.readUInt32BE(20) : 0;
  let bytes = first;
  if (clusterBits > 16 && clusterBits <= 21 && file.length > first.length) {
    bytes = Buffer.alloc(Math.min(2 ** clusterBits, file.length));
    await file.readExact(bytes, 0, 'header', options);
  }
  const header = parseHeader(file.path, bytes);
  checkHeaderBounds(file.path, header, file.length);
  if (file.length > maxFileBytes) throw diskErrors.corrupt({ path: file.path, what: 'it is absurdly long' });
  return header;
}

/** @throws disk.needs-repair if it must not be written to before */
export function refuseUnclean(path: string, header: Header): void {
  if (hasFeature(header.incompatibleFeatures, incompatible.corrupt)) {
    throw diskErrors['needs-repair']({ path, reason: 'it is marked as corrupt' });
  }
  if (hasFeature(header.incompatibleFeatures, incompatible.dirty)) {
    throw diskErrors['needs-repair']({
      path,
      reason: 'it was not closed cleanly, and its reference counts are stale',
    });
  }
}

/** The reference counts with their table in memory; their blocks are read when they are asked for. */
export async function loadRefcounts(
  file: BlockFile,
  header: Header,
  metadata: MetadataMap,
  options: SignalOptions,
): Promise<Refcounts> {
  const clusterBytes = 2 ** header.clusterBits;
  const table = Buffer.alloc(header.refcountTableClusters * clusterBytes);
  await file.readExact(table, header.refcountTableOffset, 'refcount table', options);
  const layout = {
    clusterBytes,
    refcountBits: header.refcountBits,
    tableOffset: header.refcountTableOffset,
    tableClusters: header.refcountTableClusters,
  };
  return new Refcounts(file, layout, table, metadata);
}

/** Finds where all metadata lies, so that no data is ever written over it. @throws disk.corrupt */
export async function loadWriteState(
  file: BlockFile,
  header: Header,
  l1: Buffer,
  snapshots: SnapshotTable,
  options: SignalOptions,
): Promise<WriteState> {
  const clusterBytes = 2 ** header.clusterBits;
  const metadata = new MetadataMap(file.path, clusterBytes);
  const tableBytes = header.refcountTableClusters * clusterBytes;
  metadata.claim('header', 0);
  if (l1.length > 0) metadata.claim('L1 table', header.l1Offset, l1.length);
  metadata.claim('refcount table', header.refcountTableOffset, tableBytes);
  if (snapshots.bytes > 0) metadata.claim('snapshot table', header.snapshotsOffset, snapshots.bytes);
  let l1Bytes = 0;
  for (const { l1Offset, l1Entries } of snapshots.snapshots) {
    l1Bytes += l1Entries * 8;
    if (l1Bytes > maxSnapshotL1Bytes)
      throw diskErrors.corrupt({ path: file.path, what: 'its snapshots are too many' });
    if (l1Entries > 0) metadata.claim("snapshot's L1 table", l1Offset, l1Entries * 8);
  }
  const refcounts = await loadRefcounts(file, header, metadata, options);
  for (let index = 0; index < refcounts.tableEntries; index += 1) {
    const offset = refcounts.blockOffset(index);
    if (offset !== 0) metadata.claim('refcount block', offset);
  }
  for (let at = 0; at < l1.length; at += 8) {
    const offset = entryOffset(readEntry(l1, at));
    if (offset !== 0) metadata.claim('L2 table', offset);
  }
  const bitmaps = await readBitmapDirectory(file, header, options);
  if (bitmaps) metadata.claim('bitmap directory', bitmaps.offset, bitmaps.bytes);
  return { refcounts, metadata };
}
