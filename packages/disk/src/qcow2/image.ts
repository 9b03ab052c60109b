/**
 * An open qcow2 file below the view of a disk: its header, its tables, and the order in which changed tables reach
 * the file (docs/formats/qcow2.md, "Order of writes").
 *
 * changes in memory ──▶ 1 refcount blocks ─▶ 2 refcount table ─▶ 3 L2 tables ─▶ 4 L1 ─▶ 5 counts lowered
 * data in the file  ──▶ └── barrier ──┘      └── barrier ──┘     └─ barrier ─┘  └ barrier ┘
 */
import { Buffer } from 'node:buffer';
import type { SignalOptions } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import type { BlockFile } from '../file.ts';
import { Settling } from '../settling.ts';
import { encodeFixedPart, type Header, hasFeature, incompatible } from './header.ts';
import { EntryDefect, type Geometry, geometry } from './l2-table.ts';
import { sectorBytes } from './limits.ts';
import { loadWriteState, readHeader, refuseUnclean, type WriteState } from './load-image.ts';
import type { MetadataMap } from './metadata-map.ts';
import type { Refcounts } from './refcounts.ts';
import { readSnapshotTable, type SnapshotTable } from './snapshot-table.ts';
import { TableCache } from './table-cache.ts';
import {
  emptyEntry,
  entryOffset,
  isCopied,
  l1ReservedBits,
  makeEntry,
  type RawEntry,
  readEntry,
  writeEntry,
} from './table-entry.ts';

export interface L2Table {
  readonly offset: number;
  readonly bytes: Buffer;
}

export interface LoadOptions extends SignalOptions {
  readonly writable: boolean;
  /** No barriers, see `CreateOptions.scratch`. */
  readonly scratch?: boolean | undefined;
}

export class Qcow2Image {
  readonly file: BlockFile;
  readonly geometry: Geometry;
  readonly l2: TableCache;
  readonly snapshots: SnapshotTable;
  readonly #writeState: WriteState | undefined;
  readonly #scratch: boolean;
  #header: Header;
  #l1: Buffer;
  #l1ChangedFrom = Number.POSITIVE_INFINITY;
  #l1ChangedTo = 0;
  /** Clusters whose count goes down by one as soon as nothing on disk points to them. */
  #released: number[] = [];
  /** Something was written since the last barrier. */
  #unsynced = false;
  #touched = false;
  /** After a barrier that failed nobody knows what the disk holds; nothing more is written. */
  readonly #settling = new Settling();

  constructor(
    file: BlockFile,
    header: Header,
    l1: Buffer,
    snapshots: SnapshotTable,
    writeState: WriteState | undefined,
    scratch: boolean,
  ) {
    this.file = file;
    this.#header = header;
    this.geometry = geometry(
      header.version,
      header.clusterBits,
      hasFeature(header.incompatibleFeatures, incompatible.extendedL2),
    );
    this.l2 = new TableCache(file, this.geometry.clusterBytes, 'L2 table');
    this.snapshots = snapshots;
    this.#l1 = l1;
    this.#writeState = writeState;
    this.#scratch = scratch;
  }

  /** @throws disk.unknown-format; disk.corrupt; disk.truncated; disk.unsupported-feature; disk.needs-repair */
  static async load(file: BlockFile, options: LoadOptions): Promise<Qcow2Image> {
    const header = await readHeader(file, options);
    if (options.writable) refuseUnclean(file.path, header);
    const l1 = Buffer.alloc(header.l1Entries * 8);
    await file.readExact(l1, header.l1Offset, 'L1 table', options);
    const snapshots = await readSnapshotTable(file, header, options);
    const writeState = options.writable
      ? await loadWriteState(file, header, l1, snapshots, options)
      : undefined;
    return new Qcow2Image(file, header, l1, snapshots, writeState, options.scratch ?? false);
  }

  get header(): Header {
    return this.#header;
  }

  get sizeBytes(): number {
    // QEMU shows a guest whole sectors; a remainder in the header is not part of the disk.
    return this.#header.sizeBytes - (this.#header.sizeBytes % sectorBytes);
  }

  get refcounts(): Refcounts {
    return this.#writable().refcounts;
  }

  get metadata(): MetadataMap {
    return this.#writable().metadata;
  }

  #writable(): WriteState {
    if (!this.#writeState) throw diskErrors['read-only']({ path: this.file.path });
    return this.#writeState;
  }

  l1Entry(index: number): RawEntry {
    return index < this.#header.l1Entries ? readEntry(this.#l1, index * 8) : emptyEntry;
  }

  /** The L2 table that maps the guest bytes from `index * tableSpan` on; undefined if there is none. */
  async l2Table(index: number, options?: SignalOptions): Promise<Buffer | undefined> {
    const offset = this.l2Offset(index);
    return offset === 0 ? undefined : await this.l2.get(offset, options);
  }

  l2Offset(index: number): number {
    const entry = this.l1Entry(index);
    const offset = entryOffset(entry);
    if (l1ReservedBits(entry) || offset % this.geometry.clusterBytes !== 0) {
      throw diskErrors.corrupt({
        path: this.file.path,
        what: `entry ${index} of its L1 table is no table's offset`,
      });
    }
    return offset;
  }

  /** The same for writing: made if it is missing, copied if a snapshot shares it. */
  async ownL2Table(index: number): Promise<L2Table> {
    const offset = this.l2Offset(index);
    if (offset !== 0 && isCopied(this.l1Entry(index))) return { offset, bytes: await this.l2.get(offset) };
    const bytes =
      offset === 0 ? Buffer.alloc(this.geometry.clusterBytes) : Buffer.from(await this.l2.get(offset));
    const { offset: fresh } = await this.refcounts.allocate(1);
    this.metadata.claim('L2 table', fresh);
    this.l2.add(fresh, bytes);
    if (offset !== 0) {
      this.metadata.remove(offset);
      this.release(offset);
    }
    this.#setL1(index, makeEntry(fresh, true));
    return { offset: fresh, bytes };
  }

  #setL1(index: number, entry: RawEntry): void {
    writeEntry(this.#l1, index * 8, entry);
    this.#l1ChangedFrom = Math.min(this.#l1ChangedFrom, index * 8);
    this.#l1ChangedTo = Math.max(this.#l1ChangedTo, index * 8 + 8);
  }

  /** Takes the table out of the mapping; its clusters must have been released before. */
  dropL2Table(index: number): void {
    const offset = this.l2Offset(index);
    if (offset === 0) return;
    this.#setL1(index, emptyEntry);
    this.metadata.remove(offset);
    this.release(offset);
  }

  /** Moves the table to a cluster that was just allocated. */
  async moveL2Table(index: number, to: number): Promise<void> {
    const from = this.l2Offset(index);
    const bytes = Buffer.from(await this.l2.get(from));
    this.metadata.claim('L2 table', to);
    this.l2.add(to, bytes);
    this.#setL1(index, makeEntry(to, true));
    this.metadata.remove(from);
    this.release(from);
  }

  /** The clusters that hold the range are used once less, from the next flush on. */
  release(offset: number, length: number = this.geometry.clusterBytes): void {
    const first = Math.floor(offset / this.geometry.clusterBytes);
    const end = Math.ceil((offset + length) / this.geometry.clusterBytes);
    for (let cluster = first; cluster < end; cluster += 1) this.#released.push(cluster);
  }

  async writeData(bytes: Uint8Array, offset: number, options?: SignalOptions): Promise<void> {
    this.#unsynced = true;
    await this.file.writeAll(bytes, offset, options);
  }

  /** To be called before each change: clears the bits of features that this change would betray. */
  async beforeChange(): Promise<void> {
    this.#settling.refuseAfterFailure();
    if (this.l2.crowded || this.refcounts.crowded) await this.flush();
    if (this.#touched) return;
    this.#touched = true;
    if (this.#header.autoclearFeatures === 0n) return;
    await this.writeHeader({ autoclearFeatures: 0n });
  }

  /** Writes the numbers of the header in one sector, and waits until they are on disk. */
  async writeHeader(changes: Partial<Header>): Promise<void> {
    const header = { ...this.#header, ...changes };
    this.#unsynced = true;
    await this.file.writeAll(encodeFixedPart(header), 0);
    this.#header = header;
    await this.#barrier();
  }

  /** The first cluster of a new file, as `encodeNewHeader` made it of `header`. */
  async writeNewHeader(cluster: Uint8Array): Promise<void> {
    await this.writeData(cluster, 0);
    await this.#barrier();
  }

  async #barrier(): Promise<void> {
    if (this.#scratch || !this.#unsynced) return;
    await this.#settling.run(() => this.file.sync());
    this.#unsynced = false;
  }

  async flush(): Promise<void> {
    this.#settling.refuseAfterFailure();
    const { refcounts } = this.#writable();
    if (await refcounts.writeBlocks()) this.#unsynced = true;
    await this.#barrier();
    await this.#flushRefcountTable();
    if (await this.l2.write()) this.#unsynced = true;
    await this.#barrier();
    await this.#flushL1();
    await this.#lowerCounts();
  }

  async #flushRefcountTable(): Promise<void> {
    const { refcounts, metadata } = this.#writable();
    const { written, movedFrom } = await refcounts.writeTable();
    if (!written) return;
    this.#unsynced = true;
    await this.#barrier();
    if (!movedFrom) return;
    await this.writeHeader({
      refcountTableOffset: refcounts.tableOffset,
      refcountTableClusters: refcounts.tableClusters,
    });
    metadata.remove(movedFrom.offset, movedFrom.count * this.geometry.clusterBytes);
    this.release(movedFrom.offset, movedFrom.count * this.geometry.clusterBytes);
  }

  async #flushL1(): Promise<void> {
    if (this.#l1ChangedTo === 0) return;
    const from = this.#l1ChangedFrom - (this.#l1ChangedFrom % sectorBytes);
    const to = Math.min(this.#l1.length, Math.ceil(this.#l1ChangedTo / sectorBytes) * sectorBytes);
    this.#unsynced = true;
    await this.file.writeAll(this.#l1.subarray(from, to), this.#header.l1Offset + from);
    this.#l1ChangedFrom = Number.POSITIVE_INFINITY;
    this.#l1ChangedTo = 0;
    await this.#barrier();
  }

  /** Nothing on disk points to these clusters any more: count them down, and give back the space of the free ones. */
  async #lowerCounts(): Promise<void> {
    if (this.#released.length === 0) return;
    const { refcounts } = this.#writable();
    const released = this.#released.sort((a, b) => a - b);
    this.#released = [];
    let run = { first: -1, end: -1 };
    for (const cluster of released) {
      const count = await refcounts.get(cluster);
      if (count === 0) {
        throw diskErrors.corrupt({
          path: this.file.path,
          what: `the cluster at ${cluster * this.geometry.clusterBytes} was in use, but counted as free`,
        });
      }
      await refcounts.set(cluster, count - 1);
      if (count !== 1) continue;
      this.l2.forget(cluster * this.geometry.clusterBytes);
      if (cluster !== run.end) {
        await this.#punch(run);
        run = { first: cluster, end: cluster };
      }
      run.end = cluster + 1;
    }
    await this.#punch(run);
    await refcounts.writeBlocks();
    this.#unsynced = true;
  }

  async #punch(run: { readonly first: number; readonly end: number }): Promise<void> {
    const { clusterBytes } = this.geometry;
    if (run.first < 0) return;
    await this.file.punch(run.first * clusterBytes, (run.end - run.first) * clusterBytes);
  }

  /** The last barrier, also of a scratch file. */
  async seal(): Promise<void> {
    if (!this.#settling.hasFailed && this.#unsynced) await this.file.sync();
    this.#unsynced = false;
  }

  /**
   * Gives the L1 table room for `entries`, in a new place if the old has none. Flush first: the table is written and
   * pointed to here.
   */
  async growL1(entries: number): Promise<void> {
    const { clusterBytes } = this.geometry;
    const { l1Offset, l1Entries } = this.#header;
    const room = (Math.ceil((l1Entries * 8) / clusterBytes) * clusterBytes) / 8;
    const table = Buffer.alloc(Math.ceil((entries * 8) / clusterBytes) * clusterBytes);
    this.#l1.copy(table);
    const bytes = table.subarray(0, entries * 8);
    if (entries <= room) {
      this.#unsynced = true;
      await this.file.writeAll(bytes.subarray(l1Entries * 8), l1Offset + l1Entries * 8);
      await this.#barrier();
      await this.writeHeader({ l1Entries: entries });
      this.#l1 = bytes;
      return;
    }
    const moved = await this.refcounts.allocateTable(table.length / clusterBytes);
    this.metadata.claim('L1 table', moved, table.length);
    await this.writeData(table, moved);
    await this.flush();
    await this.#barrier();
    await this.writeHeader({ l1Offset: moved, l1Entries: entries });
    this.#l1 = bytes;
    if (l1Entries === 0) return;
    this.metadata.remove(l1Offset, l1Entries * 8);
    this.release(l1Offset, l1Entries * 8);
  }

  /** An entry that cannot be believed, in the words of the registry. Other errors pass through. */
  explain(cause: unknown, guestOffset: number): unknown {
    if (!(cause instanceof EntryDefect)) return cause;
    return diskErrors.corrupt({
      path: this.file.path,
      what: `${cause.message} (at ${guestOffset} of the disk)`,
    });
  }
}
