/**
 * How often each cluster of the file is used ("Host cluster management"): the table in memory, its blocks through a
 * cache, and the allocator on top. Nothing here waits for the disk to be flushed; `Qcow2Disk` decides when what is
 * written.
 */
import { Buffer } from 'node:buffer';
import { diskErrors } from '../errors.ts';
import type { BlockFile } from '../file.ts';
import { maxRefcountTableBytes } from './limits.ts';
import type { MetadataMap } from './metadata-map.ts';
import { TableCache } from './table-cache.ts';

export interface RefcountLayout {
  readonly clusterBytes: number;
  readonly refcountBits: number;
  readonly tableOffset: number;
  readonly tableClusters: number;
}

/** Neighbouring clusters. */
export interface ClusterRun {
  readonly offset: number;
  readonly count: number;
}

export class Refcounts {
  readonly #file: BlockFile;
  readonly #metadata: MetadataMap;
  readonly #clusterBytes: number;
  readonly #bits: number;
  readonly #perBlock: number;
  readonly #blocks: TableCache;
  #table: Buffer;
  #tableOffset: number;
  #changedFrom = Number.POSITIVE_INFINITY;
  #changedTo = 0;
  /** The table grew: this is where it was, until the header points to the new place. */
  #oldTable: ClusterRun | undefined;
  /** No cluster before this one is free. */
  #firstFree = 0;

  constructor(file: BlockFile, layout: RefcountLayout, table: Buffer, metadata: MetadataMap) {
    this.#file = file;
    this.#metadata = metadata;
    this.#clusterBytes = layout.clusterBytes;
    this.#bits = layout.refcountBits;
    this.#perBlock = (layout.clusterBytes * 8) / layout.refcountBits;
    this.#blocks = new TableCache(file, layout.clusterBytes, 'refcount block');
    this.#table = table;
    this.#tableOffset = layout.tableOffset;
  }

  get crowded(): boolean {
    return this.#blocks.crowded;
  }

  get tableOffset(): number {
    return this.#tableOffset;
  }

  get tableClusters(): number {
    return this.#table.length / this.#clusterBytes;
  }

  /** Clusters that one block counts. */
  get clustersPerBlock(): number {
    return this.#perBlock;
  }

  get tableEntries(): number {
    return this.#table.length / 8;
  }

  /** Host offset of the block that counts the clusters from `index * clustersPerBlock` on; 0 if all are free. */
  blockOffset(index: number): number {
    if (index >= this.tableEntries) return 0;
    const value = this.#table.readBigUInt64BE(index * 8) & ~0x1ffn;
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      this.#corrupt(`entry ${index} of its refcount table is absurd`);
    return Number(value);
  }

  #corrupt(what: string): never {
    throw diskErrors.corrupt({ path: this.#file.path, what });
  }

  async get(cluster: number): Promise<number> {
    const offset = this.blockOffset(Math.floor(cluster / this.#perBlock));
    if (offset === 0) return 0;
    return this.#read(await this.#blocks.get(offset), cluster % this.#perBlock);
  }

  #read(block: Buffer, index: number): number {
    switch (this.#bits) {
      case 64: {
        const value = block.readBigUInt64BE(index * 8);
        return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
      }
      case 32:
        return block.readUInt32BE(index * 4);
      case 16:
        return block.readUInt16BE(index * 2);
      case 8:
        return block[index]!;
      default: {
        // Counts smaller than a byte fill it from the least significant bit.
        const perByte = 8 / this.#bits;
        return (
          (block[Math.floor(index / perByte)]! >>> ((index % perByte) * this.#bits)) & (2 ** this.#bits - 1)
        );
      }
    }
  }

  /** @throws disk.corrupt if no block counts the cluster: one that is in use must have been counted before */
  async set(cluster: number, count: number): Promise<void> {
    const offset = this.blockOffset(Math.floor(cluster / this.#perBlock));
    if (offset === 0)
      this.#corrupt(`no refcount block counts the cluster at ${cluster * this.#clusterBytes}`);
    const block = await this.#blocks.get(offset);
    this.#write(block, offset, cluster % this.#perBlock, count);
    if (count === 0) this.#firstFree = Math.min(this.#firstFree, cluster);
  }

  #write(block: Buffer, offset: number, index: number, count: number): void {
    if (count >= 2 ** this.#bits) {
      this.#corrupt(`a cluster would be used ${count} times, more than ${this.#bits} bits can count`);
    }
    const at = Math.floor((index * this.#bits) / 8);
    if (this.#bits === 64) block.writeBigUInt64BE(BigInt(count), at);
    else if (this.#bits === 32) block.writeUInt32BE(count, at);
    else if (this.#bits === 16) block.writeUInt16BE(count, at);
    else if (this.#bits === 8) block[at] = count;
    else {
      const shift = (index % (8 / this.#bits)) * this.#bits;
      const mask = (2 ** this.#bits - 1) << shift;
      block[at] = (block[at]! & ~mask) | (count << shift);
    }
    this.#blocks.touch(offset, at, at + Math.max(1, this.#bits / 8));
  }

  /**
   * Takes neighbouring free clusters, at least one and at most `wanted`, and counts each once.
   *
   * @throws disk.corrupt if what is counted as free holds a structure
   */
  async allocate(wanted: number): Promise<ClusterRun> {
    let first = await this.#nextFree(this.#firstFree);
    let count = 0;
    while (count < wanted) {
      const cluster = first + count;
      if ((await this.get(cluster)) !== 0) break;
      // A missing block goes into the first cluster that it would count; the run begins anew behind it.
      if (this.blockOffset(Math.floor(cluster / this.#perBlock)) === 0) {
        if (count > 0) break;
        await this.#blockFor(cluster);
        first = await this.#nextFree(first);
        continue;
      }
      this.#metadata.assertFree('free cluster', cluster * this.#clusterBytes);
      await this.set(cluster, 1);
      count += 1;
    }
    this.#firstFree = first + count;
    return { offset: first * this.#clusterBytes, count };
  }

  /** Takes exactly `count` neighbouring clusters, behind all that are in use if there is no gap before. */
  async allocateTable(count: number): Promise<number> {
    let first = await this.#nextFree(this.#firstFree);
    let length = 0;
    while (length < count) {
      const cluster = first + length;
      if (this.blockOffset(Math.floor(cluster / this.#perBlock)) === 0) {
        // The block takes this very cluster, so the run starts behind it.
        await this.#blockFor(cluster);
        first = cluster + 1;
        length = 0;
      } else if ((await this.get(cluster)) !== 0) {
        first = cluster + 1;
        length = 0;
      } else {
        this.#metadata.assertFree('free cluster', cluster * this.#clusterBytes);
        length += 1;
      }
    }
    for (let index = 0; index < count; index += 1) await this.set(first + index, 1);
    return first * this.#clusterBytes;
  }

  /** The counts of one block, to be looked up without waiting; undefined if there is no block. */
  async block(index: number): Promise<((at: number) => number) | undefined> {
    const offset = this.blockOffset(index);
    if (offset === 0) return undefined;
    const block = await this.#blocks.get(offset);
    return (at) => this.#read(block, at);
  }

  async #nextFree(from: number): Promise<number> {
    let cluster = from;
    for (;;) {
      const blockIndex = Math.floor(cluster / this.#perBlock);
      const offset = this.blockOffset(blockIndex);
      if (offset === 0) return cluster;
      const block = await this.#blocks.get(offset);
      const end = (blockIndex + 1) * this.#perBlock;
      for (; cluster < end; cluster += 1) {
        if (this.#read(block, cluster % this.#perBlock) === 0) return cluster;
      }
    }
  }

  /** The block that counts `cluster`; a missing one is made in the cluster itself. */
  async #blockFor(cluster: number): Promise<number> {
    const index = Math.floor(cluster / this.#perBlock);
    if (index >= this.tableEntries) await this.#growTable(index + 1);
    const existing = this.blockOffset(index);
    if (existing !== 0) return existing;
    const offset = cluster * this.#clusterBytes;
    this.#metadata.claim('refcount block', offset);
    const block = Buffer.alloc(this.#clusterBytes);
    this.#blocks.add(offset, block);
    this.#write(block, offset, cluster % this.#perBlock, 1);
    this.#setEntry(index, offset);
    return offset;
  }

  #setEntry(index: number, offset: number): void {
    this.#table.writeBigUInt64BE(BigInt(offset), index * 8);
    this.#changedFrom = Math.min(this.#changedFrom, index * 8);
    this.#changedTo = Math.max(this.#changedTo, index * 8 + 8);
  }

  /** The table in memory grows first, so that its own new place can be counted. */
  async #growTable(entries: number): Promise<void> {
    const clusters = Math.ceil((Math.ceil(entries * 1.5) * 8) / this.#clusterBytes);
    if (clusters * this.#clusterBytes > maxRefcountTableBytes) {
      throw diskErrors['size-unsupported']({
        format: 'qcow2',
        sizeBytes: entries * this.#perBlock * this.#clusterBytes,
        rule: 'with such small clusters the file cannot grow further',
      });
    }
    const table = Buffer.alloc(clusters * this.#clusterBytes);
    this.#table.copy(table);
    const before: ClusterRun = { offset: this.#tableOffset, count: this.tableClusters };
    this.#table = table;
    this.#tableOffset = await this.allocateTable(clusters);
    this.#metadata.claim('refcount table', this.#tableOffset, table.length);
    // A second growth before a flush: the place in between was never on disk.
    if (this.#oldTable) await this.#drop(before);
    else this.#oldTable = before;
    this.#changedFrom = 0;
    this.#changedTo = table.length;
  }

  async #drop(run: ClusterRun): Promise<void> {
    this.#metadata.remove(run.offset, run.count * this.#clusterBytes);
    for (let index = 0; index < run.count; index += 1) {
      await this.set(run.offset / this.#clusterBytes + index, 0);
    }
  }

  writeBlocks(): Promise<boolean> {
    return this.#blocks.write();
  }

  /** Writes what changed of the table. Returns the old place if it moved: free it when the header knows the new. */
  async writeTable(): Promise<{ readonly written: boolean; readonly movedFrom?: ClusterRun }> {
    if (this.#changedTo === 0) return { written: false };
    const from = this.#changedFrom - (this.#changedFrom % 512);
    const to = Math.min(this.#table.length, Math.ceil(this.#changedTo / 512) * 512);
    await this.#file.writeAll(this.#table.subarray(from, to), this.#tableOffset + from);
    this.#changedFrom = Number.POSITIVE_INFINITY;
    this.#changedTo = 0;
    const movedFrom = this.#oldTable;
    this.#oldTable = undefined;
    return movedFrom ? { written: true, movedFrom } : { written: true };
  }

  /** A new file: its first `used` clusters, and behind them the block that counts them. */
  async begin(used: number): Promise<void> {
    await this.#blockFor(used);
    for (let cluster = 0; cluster < used; cluster += 1) await this.set(cluster, 1);
  }

  /** For a repair: a block that counts `cluster`, which may be in use itself, taken from `searchFrom` on. */
  async cover(cluster: number): Promise<void> {
    const index = Math.floor(cluster / this.#perBlock);
    if (index >= this.tableEntries) await this.#growTable(index + 1);
    if (this.blockOffset(index) !== 0) return;
    const offset = await this.allocateTable(1);
    // The search may have ended among the very clusters that had no block.
    if (this.blockOffset(index) !== 0) return await this.set(offset / this.#clusterBytes, 0);
    this.#metadata.claim('refcount block', offset);
    this.#blocks.add(offset, Buffer.alloc(this.#clusterBytes));
    this.#setEntry(index, offset);
  }

  /** How the file's clusters are used: how many, behind which one all are free, and the free ones before that. */
  async survey(): Promise<{
    readonly used: number;
    readonly end: number;
    readonly free: readonly ClusterRun[];
  }> {
    let used = 0;
    let end = 0;
    const free: ClusterRun[] = [];
    for (let index = 0; index < this.tableEntries; index += 1) {
      const offset = this.blockOffset(index);
      if (offset === 0) continue;
      const block = await this.#blocks.get(offset);
      for (let at = 0; at < this.#perBlock; at += 1) {
        if (this.#read(block, at) === 0) continue;
        const cluster = index * this.#perBlock + at;
        if (cluster > end) free.push({ offset: end * this.#clusterBytes, count: cluster - end });
        used += 1;
        end = cluster + 1;
      }
    }
    return { used, end, free };
  }

  /** Lets the allocator start elsewhere: at 0 to fill gaps, behind the end to leave all as it is. */
  searchFrom(cluster: number): void {
    this.#firstFree = cluster;
  }
}
