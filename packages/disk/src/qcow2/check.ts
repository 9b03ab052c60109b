/** `check` for qcow2: every reference counted and compared with the counts that the file keeps. */
import { Buffer } from 'node:buffer';
import { CheckList } from '../check-list.ts';
import type { CheckOptions, CheckReport, SignalOptions } from '../disk.ts';
import type { BlockFile } from '../file.ts';
import { encodeFixedPart, type Header, hasFeature, incompatible, withFeature } from './header.ts';
import { sectorBytes } from './limits.ts';
import { loadRefcounts, readHeader } from './load-image.ts';
import { MetadataMap } from './metadata-map.ts';
import type { Refcounts } from './refcounts.ts';
import { readSnapshotTable } from './snapshot-table.ts';
import { ReferenceWalk, type WrongCopied, wrongCopiedBits } from './walk.ts';

/** @throws disk.unknown-format, disk.corrupt, disk.truncated where not even the tables can be found */
export async function checkFile(file: BlockFile, options: CheckOptions): Promise<CheckReport> {
  const header = await readHeader(file, options);
  const list = new CheckList();
  const snapshots = await readSnapshotTable(file, header, options);
  const walk = new ReferenceWalk(file, header, list, options);
  await walk.run(snapshots);
  const refcounts = await loadRefcounts(
    file,
    header,
    new MetadataMap(file.path, 2 ** header.clusterBits),
    options,
  );
  noteFlags(header, list);
  await compareCounts(walk, refcounts, list, options);
  if (list.sound) {
    for await (const wrong of wrongCopiedBits(file, walk, header)) {
      const what = wrong.tableOffset === undefined ? 'L1' : 'L2';
      // A bit that is missing costs a copy; one too many lets a write change a snapshot.
      list.add(wrong.shouldBe ? 'note' : 'corruption', `An ${what} entry has the wrong "copied" bit.`, {
        fileOffset: wrong.tableOffset,
        repairable: true,
      });
    }
  }
  if (!options.repair || !list.needsRepair || !list.sound) return list.report('qcow2', false);
  await repair(file, header, walk, refcounts, options);
  return list.report('qcow2', true);
}

function noteFlags(header: Header, list: CheckList): void {
  if (hasFeature(header.incompatibleFeatures, incompatible.dirty)) {
    list.add('note', 'The file was not closed cleanly (dirty bit).', { repairable: true });
  }
  if (hasFeature(header.incompatibleFeatures, incompatible.corrupt)) {
    list.add('note', 'The file is marked as corrupt.', { repairable: true });
  }
  if (header.sizeBytes % sectorBytes !== 0) {
    list.add(
      'note',
      'The size in the header is not a whole number of sectors; a guest does not see the rest.',
    );
  }
}

async function compareCounts(
  walk: ReferenceWalk,
  refcounts: Refcounts,
  list: CheckList,
  options: SignalOptions,
): Promise<void> {
  const { clusterBytes } = walk.geometry;
  // A block that is itself misplaced is a finding of the walk already; its counts mean nothing.
  if (!list.sound) return;
  for await (const { cluster, stored, counted } of mismatches(walk, refcounts, options)) {
    const fileOffset = cluster * clusterBytes;
    if (stored > counted) {
      list.add('leak', `The cluster is counted ${stored} times and used ${counted} times.`, { fileOffset });
      if (counted === 0) list.leakedBytes += clusterBytes;
    } else {
      list.add('corruption', `The cluster is counted ${stored} times but used ${counted} times.`, {
        fileOffset,
        repairable: true,
      });
    }
  }
}

interface Mismatch {
  readonly cluster: number;
  readonly stored: number;
  readonly counted: number;
}

async function* mismatches(
  walk: ReferenceWalk,
  refcounts: Refcounts,
  options: SignalOptions,
): AsyncGenerator<Mismatch> {
  for (let index = 0; index < refcounts.tableEntries; index += 1) {
    const stored = await refcounts.block(index);
    if (!stored) continue;
    options.signal?.throwIfAborted();
    const first = index * refcounts.clustersPerBlock;
    for (let at = 0; at < refcounts.clustersPerBlock; at += 1) {
      const counted = walk.counts.get(first + at);
      if (stored(at) !== counted) yield { cluster: first + at, stored: stored(at), counted };
    }
  }
  for (const cluster of walk.counts.clusters()) {
    if (refcounts.blockOffset(Math.floor(cluster / refcounts.clustersPerBlock)) !== 0) continue;
    yield { cluster, stored: 0, counted: walk.counts.get(cluster) };
  }
}

/**
 * Sets every count to what was found, then the COPIED bits that follow from them. Counts that are too high cost space,
 * counts that are too low are as wrong after a crash as they were before; the flags are cleared when all is on disk.
 */
async function repair(
  file: BlockFile,
  header: Header,
  walk: ReferenceWalk,
  refcounts: Refcounts,
  options: SignalOptions,
): Promise<void> {
  const uncounted: Mismatch[] = [];
  for await (const found of mismatches(walk, refcounts, options)) {
    const block = refcounts.blockOffset(Math.floor(found.cluster / refcounts.clustersPerBlock));
    if (block === 0) uncounted.push(found);
    else await refcounts.set(found.cluster, found.counted);
  }
  // New blocks go behind all that is in use, because what has no block looks free.
  refcounts.searchFrom(Math.max(walk.counts.end, Math.ceil(file.length / walk.geometry.clusterBytes)));
  for (const { cluster, counted } of uncounted) {
    await refcounts.cover(cluster);
    await refcounts.set(cluster, counted);
  }
  const current = await storeCounts(file, header, refcounts);
  for await (const wrong of wrongCopiedBits(file, walk, header)) await writeCopied(file, header, walk, wrong);
  await file.sync();
  await refcounts.writeBlocks();
  let features = withFeature(current.incompatibleFeatures, incompatible.dirty, false);
  features = withFeature(features, incompatible.corrupt, false);
  if (features !== current.incompatibleFeatures) {
    await file.writeAll(encodeFixedPart({ ...current, incompatibleFeatures: features }), 0);
  }
  await file.sync();
}

async function storeCounts(file: BlockFile, header: Header, refcounts: Refcounts): Promise<Header> {
  await refcounts.writeBlocks();
  await file.sync();
  const { movedFrom } = await refcounts.writeTable();
  await file.sync();
  if (!movedFrom) return header;
  const moved: Header = {
    ...header,
    refcountTableOffset: refcounts.tableOffset,
    refcountTableClusters: refcounts.tableClusters,
  };
  await file.writeAll(encodeFixedPart(moved), 0);
  await file.sync();
  const clusterBytes = 2 ** header.clusterBits;
  for (let index = 0; index < movedFrom.count; index += 1) {
    await refcounts.set(movedFrom.offset / clusterBytes + index, 0);
  }
  return moved;
}

async function writeCopied(
  file: BlockFile,
  header: Header,
  walk: ReferenceWalk,
  { tableOffset, index, shouldBe }: WrongCopied,
): Promise<void> {
  const at =
    tableOffset === undefined ? header.l1Offset + index * 8 : tableOffset + index * walk.geometry.entryBytes;
  const byte = Buffer.alloc(1);
  await file.readExact(byte, at, 'table');
  byte[0] = shouldBe ? byte[0]! | 0x80 : byte[0]! & 0x7f;
  await file.writeAll(byte, at);
}
