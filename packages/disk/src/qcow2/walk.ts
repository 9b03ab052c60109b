/**
 * Visits everything that a qcow2 file refers to and counts it, believing nothing: what lies outside the file, is not
 * aligned or lies over another structure becomes a finding. Shared by check and compact.
 */
import { Buffer } from 'node:buffer';
import type { CheckList } from '../check-list.ts';
import type { ProgressOptions } from '../disk.ts';
import type { BlockFile } from '../file.ts';
import { readBitmapDirectory } from './bitmap-directory.ts';
import { type Header, hasFeature, incompatible } from './header.ts';
import { type Geometry, geometry, readSubclusters } from './l2-table.ts';
import { maxSnapshotL1Bytes } from './limits.ts';
import { ReferenceCounts } from './reference-counts.ts';
import type { SnapshotTable } from './snapshot-table.ts';
import {
  compressedCluster,
  entryOffset,
  isCompressed,
  isCopied,
  isZeroEntry,
  l1ReservedBits,
  l2ReservedBits,
  readEntry,
} from './table-entry.ts';

export class ReferenceWalk {
  readonly #file: BlockFile;
  readonly #header: Header;
  readonly #list: CheckList;
  readonly #options: ProgressOptions;
  readonly #metadata = new Map<number, string>();
  readonly geometry: Geometry;
  readonly counts: ReferenceCounts;

  constructor(file: BlockFile, header: Header, list: CheckList, options: ProgressOptions) {
    this.#file = file;
    this.#header = header;
    this.#list = list;
    this.#options = options;
    this.counts = new ReferenceCounts(file.path);
    this.geometry = geometry(
      header.version,
      header.clusterBits,
      hasFeature(header.incompatibleFeatures, incompatible.extendedL2),
    );
  }

  #corrupt(message: string, fileOffset?: number): void {
    this.#list.add('corruption', message, { fileOffset });
  }

  /** The order matters: tables first, so that data that lies over one is found. */
  async run(snapshots: SnapshotTable): Promise<void> {
    const header = this.#header;
    const { clusterBytes } = this.geometry;
    this.#structure('header', 0, clusterBytes);
    this.#structure(
      'refcount table',
      header.refcountTableOffset,
      header.refcountTableClusters * clusterBytes,
    );
    this.#structure('L1 table', header.l1Offset, header.l1Entries * 8);
    this.#structure('snapshot table', header.snapshotsOffset, snapshots.bytes);
    await this.#refcountBlocks();
    await this.#bitmaps();
    const active = await this.#readTable('L1 table', header.l1Offset, header.l1Entries * 8);
    await this.#l1(active, 'disk', true);
    let l1Bytes = 0;
    for (const { name, l1Offset, l1Entries } of snapshots.snapshots) {
      const what = `L1 table of snapshot "${name}"`;
      l1Bytes += l1Entries * 8;
      if (l1Bytes > maxSnapshotL1Bytes)
        return this.#corrupt('The snapshots have L1 tables of an absurd size.');
      if (!this.#inside(what, l1Offset, l1Entries * 8)) continue;
      this.#structure(what, l1Offset, l1Entries * 8);
      await this.#l1(await this.#readTable(what, l1Offset, l1Entries * 8), `snapshot "${name}"`, false);
    }
  }

  async #readTable(what: string, offset: number, length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length);
    await this.#file.readExact(bytes, offset, what, this.#options);
    return bytes;
  }

  /** Whether the range is aligned and in the file; if not, a finding. */
  #inside(what: string, offset: number, length: number): boolean {
    const aligned = offset % this.geometry.clusterBytes === 0 && Number.isSafeInteger(offset);
    if (aligned && offset + length <= this.#file.length) return true;
    this.#corrupt(`The ${what} at ${offset} is not aligned, or outside the file.`, offset);
    return false;
  }

  #structure(what: string, offset: number, length: number): void {
    const { clusterBytes } = this.geometry;
    for (let at = offset; at < offset + length; at += clusterBytes) {
      const cluster = Math.floor(at / clusterBytes);
      const there = this.#metadata.get(cluster);
      if (there) this.#corrupt(`The ${what} lies over the ${there}.`, at);
      this.#metadata.set(cluster, what);
      this.counts.add(cluster);
    }
  }

  async #refcountBlocks(): Promise<void> {
    const { clusterBytes } = this.geometry;
    const { refcountTableOffset, refcountTableClusters } = this.#header;
    const table = await this.#readTable(
      'refcount table',
      refcountTableOffset,
      refcountTableClusters * clusterBytes,
    );
    for (let at = 0; at < table.length; at += 8) {
      const offset = Number(table.readBigUInt64BE(at));
      if (offset !== 0 && this.#inside('refcount block', offset, clusterBytes)) {
        this.#structure('refcount block', offset, clusterBytes);
      }
    }
  }

  async #bitmaps(): Promise<void> {
    const directory = await readBitmapDirectory(this.#file, this.#header, this.#options);
    if (!directory) return;
    this.#structure('bitmap directory', directory.offset, directory.bytes);
    for (const { name, tableOffset, tableEntries } of directory.bitmaps) {
      const what = `table of bitmap "${name}"`;
      if (!this.#inside(what, tableOffset, tableEntries * 8)) continue;
      this.#structure(what, tableOffset, tableEntries * 8);
      const table = await this.#readTable(what, tableOffset, tableEntries * 8);
      for (let at = 0; at < table.length; at += 8) {
        const offset = entryOffset(readEntry(table, at));
        if (offset === 0) continue;
        if (this.#inside(`data of bitmap "${name}"`, offset, 1)) {
          this.#structure(`data of bitmap "${name}"`, offset, this.geometry.clusterBytes);
        }
      }
    }
  }

  async #l1(l1: Buffer, owner: string, active: boolean): Promise<void> {
    const { clusterBytes } = this.geometry;
    const table = Buffer.alloc(clusterBytes);
    for (let at = 0; at < l1.length; at += 8) {
      const entry = readEntry(l1, at);
      const offset = entryOffset(entry);
      if (l1ReservedBits(entry)) this.#corrupt(`An L1 entry of the ${owner} has reserved bits.`);
      if (offset === 0) continue;
      if (!this.#inside(`L2 table of the ${owner}`, offset, clusterBytes)) continue;
      this.#sharedTable(owner, offset, active);
      await this.#file.readExact(table, offset, 'L2 table', this.#options);
      for (let index = 0; index < this.geometry.entriesPerTable; index += 1)
        this.#l2Entry(table, index, owner, active);
      const totalBytes = this.#header.sizeBytes;
      const doneBytes = Math.min(totalBytes, (at / 8 + 1) * this.geometry.tableSpan);
      if (active) this.#options.onProgress?.({ doneBytes, totalBytes });
    }
  }

  /** Snapshots may share an L2 table with the disk; two entries of the disk may not. */
  #sharedTable(owner: string, offset: number, active: boolean): void {
    const cluster = offset / this.geometry.clusterBytes;
    const there = this.#metadata.get(cluster);
    if (there !== undefined && (there !== 'L2 table' || active)) {
      this.#corrupt(`An L2 table of the ${owner} lies over the ${there}.`, offset);
    }
    this.#metadata.set(cluster, 'L2 table');
    this.counts.add(cluster);
  }

  #l2Entry(table: Buffer, index: number, owner: string, active: boolean): void {
    const { clusterBytes, clusterBits, entryBytes, version, extendedL2 } = this.geometry;
    const at = index * entryBytes;
    const entry = readEntry(table, at);
    if (isCompressed(entry)) {
      const { hostOffset, length } = compressedCluster(entry, clusterBits);
      if (active) this.#list.allocatedBytes += clusterBytes;
      this.#data(owner, hostOffset, Math.min(length, Math.max(1, this.#file.length - hostOffset)));
      return;
    }
    if (l2ReservedBits(entry, version === 3 && !extendedL2)) {
      this.#corrupt(`An L2 entry of the ${owner} has reserved bits.`);
    }
    const offset = entryOffset(entry);
    if (extendedL2) this.#subclusters(table, at, offset, owner, active);
    if (offset === 0) return;
    if (offset % clusterBytes !== 0) {
      this.#corrupt(`A cluster of the ${owner} is not aligned.`, offset);
      return;
    }
    if (active && !extendedL2 && !isZeroEntry(entry)) this.#list.allocatedBytes += clusterBytes;
    this.#data(owner, offset, 1);
  }

  #subclusters(table: Buffer, at: number, offset: number, owner: string, active: boolean): void {
    const { allocated, zero } = readSubclusters(table, at);
    if ((allocated & zero) !== 0)
      this.#corrupt(`A subcluster of the ${owner} is both allocated and zero.`, offset);
    if (allocated !== 0 && offset === 0)
      this.#corrupt(`A subcluster of the ${owner} is allocated in no cluster.`);
    if (active) this.#list.allocatedBytes += bitCount(allocated) * this.geometry.grainBytes;
  }

  #data(owner: string, offset: number, length: number): void {
    if (offset + length > this.#file.length) {
      this.#corrupt(`A cluster of the ${owner} lies behind the end of the file.`, offset);
      return;
    }
    const { clusterBytes } = this.geometry;
    const end = Math.ceil((offset + length) / clusterBytes);
    for (let cluster = Math.floor(offset / clusterBytes); cluster < end; cluster += 1) {
      const there = this.#metadata.get(cluster);
      if (there) this.#corrupt(`Data of the ${owner} lies over the ${there}.`, offset);
      this.counts.add(cluster);
    }
  }
}

function bitCount(word: number): number {
  let count = 0;
  for (let rest = word; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}

/** An entry of the active tables whose COPIED bit contradicts the count. */
export interface WrongCopied {
  /** Of the table that holds the entry; undefined is the L1 table. */
  readonly tableOffset: number | undefined;
  readonly index: number;
  readonly shouldBe: boolean;
}

/** Compares bit 63 of the active L1 and L2 tables with the counts of a walk that found them sound. */
export async function* wrongCopiedBits(
  file: BlockFile,
  walk: ReferenceWalk,
  header: Header,
): AsyncGenerator<WrongCopied> {
  const { clusterBytes, entryBytes, entriesPerTable } = walk.geometry;
  const l1 = Buffer.alloc(header.l1Entries * 8);
  await file.readExact(l1, header.l1Offset, 'L1 table');
  const table = Buffer.alloc(clusterBytes);
  for (let at = 0; at < l1.length; at += 8) {
    const entry = readEntry(l1, at);
    const tableOffset = entryOffset(entry);
    if (tableOffset === 0) continue;
    const own = walk.counts.get(tableOffset / clusterBytes) === 1;
    if (isCopied(entry) !== own) yield { tableOffset: undefined, index: at / 8, shouldBe: own };
    await file.readExact(table, tableOffset, 'L2 table');
    for (let index = 0; index < entriesPerTable; index += 1) {
      const cluster = readEntry(table, index * entryBytes);
      const offset = entryOffset(cluster);
      const once =
        !isCompressed(cluster) && offset !== 0 && walk.counts.get(Math.floor(offset / clusterBytes)) === 1;
      if (isCopied(cluster) !== once) yield { tableOffset, index, shouldBe: once };
    }
  }
}
