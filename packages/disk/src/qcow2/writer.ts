/**
 * Writes and zeros within one L2 table. Data goes into the file first; the table in memory changes when it is there,
 * and reaches the file in the order that `Qcow2Image.flush` keeps.
 */
import { Buffer } from 'node:buffer';
import type { SignalOptions } from '../disk.ts';
import type { L2Table, Qcow2Image } from './image.ts';
import { clusterOffset, readSubclusters, type Subclusters, tableRuns, writeSubclusters } from './l2-table.ts';
import type { Qcow2Reader } from './reader.ts';
import {
  compressedCluster,
  emptyEntry,
  isCompressed,
  isCopied,
  makeEntry,
  makeZeroEntry,
  type RawEntry,
  readEntry,
  writeEntry,
} from './table-entry.ts';
import { covered, planWrite, touched, type WriteStep } from './write-plan.ts';

const allSubclusters = 0xffff_ffff;

export class Qcow2Writer {
  readonly #image: Qcow2Image;
  readonly #reader: Qcow2Reader;

  constructor(image: Qcow2Image, reader: Qcow2Reader) {
    this.#image = image;
    this.#reader = reader;
  }

  /** `from` is relative to the first byte that the table with that index maps; all of `source` lies in its span. */
  async write(index: number, source: Uint8Array, from: number, options: SignalOptions): Promise<void> {
    const { geometry, file } = this.#image;
    await this.#image.beforeChange();
    const table = await this.#image.ownL2Table(index);
    let steps: readonly WriteStep[];
    try {
      steps = planWrite(table.bytes, geometry, from, from + source.length, file.length);
    } catch (cause) {
      throw this.#image.explain(cause, index * geometry.tableSpan + from);
    }
    for (const step of steps) {
      const piece = source.subarray(step.from - from, step.to - from);
      if (step.kind === 'in-place') await this.#overwrite(index, step, piece, options);
      else if (step.kind === 'fresh') await this.#writeFresh(index, step.from, piece, options);
      else await this.#fill(index, step.from, piece, options);
    }
  }

  async #overwrite(
    index: number,
    step: Extract<WriteStep, { kind: 'in-place' }>,
    source: Uint8Array,
    options: SignalOptions,
  ): Promise<void> {
    const { geometry } = this.#image;
    this.#image.metadata.assertFree('data', step.hostOffset, source.length);
    await this.#image.writeData(source, step.hostOffset, options);
    if (!step.marks) return;
    const table = await this.#table(index);
    for (let at = step.from; at < step.to; ) {
      const inCluster = at % geometry.clusterBytes;
      const length = Math.min(step.to - at, geometry.clusterBytes - inCluster);
      this.#mark(table, at - inCluster, touched(geometry, inCluster, inCluster + length));
      at += length;
    }
  }

  /** The subclusters hold data now. */
  #mark(table: L2Table, start: number, mask: number): void {
    const at = this.#entryAt(start);
    const { allocated, zero } = readSubclusters(table.bytes, at);
    this.#setSubclusters(table, at, { allocated: allocated | mask, zero: zero & ~mask });
  }

  #setSubclusters(table: L2Table, at: number, bits: Subclusters): void {
    writeSubclusters(table.bytes, at, bits);
    this.#image.l2.touch(table.offset, at + 8, at + 16);
  }

  #setEntry(table: L2Table, at: number, entry: RawEntry): void {
    writeEntry(table.bytes, at, entry);
    this.#image.l2.touch(table.offset, at, at + 8);
  }

  /** Where the entry of the cluster that begins at `start` lies in its table. */
  #entryAt(start: number): number {
    const { clusterBytes, entryBytes } = this.#image.geometry;
    return (start / clusterBytes) * entryBytes;
  }

  /** The table after a wait: only now is it certain that it is the one in memory. */
  async #table(index: number): Promise<L2Table> {
    const offset = this.#image.l2Offset(index);
    return { offset, bytes: await this.#image.l2.get(offset) };
  }

  async #writeFresh(index: number, from: number, source: Uint8Array, options: SignalOptions): Promise<void> {
    const { clusterBytes } = this.#image.geometry;
    for (let done = 0; done < source.length; ) {
      const wanted = (source.length - done) / clusterBytes;
      const run = await this.#image.refcounts.allocate(wanted);
      const length = run.count * clusterBytes;
      await this.#writeNew(source.subarray(done, done + length), run.offset, run, options);
      const table = await this.#table(index);
      for (let at = 0; at < length; at += clusterBytes) {
        this.#point(table, from + done + at, run.offset + at, allSubclusters);
      }
      done += length;
    }
  }

  /** Data into clusters that nothing points to yet; if that fails they are free again. */
  async #writeNew(
    bytes: Uint8Array,
    offset: number,
    run: { readonly offset: number; readonly count: number },
    options: SignalOptions,
  ): Promise<void> {
    try {
      await this.#image.writeData(bytes, offset, options);
    } catch (cause) {
      const first = run.offset / this.#image.geometry.clusterBytes;
      for (let count = 0; count < run.count; count += 1) await this.#image.refcounts.set(first + count, 0);
      throw cause;
    }
  }

  /** Lets the entry of the cluster at `start` point to a cluster of its own, and releases what it pointed to. */
  #point(table: L2Table, start: number, hostOffset: number, mask: number): void {
    const at = this.#entryAt(start);
    const before = readEntry(table.bytes, at);
    this.#release(before);
    this.#setEntry(table, at, makeEntry(hostOffset, true));
    if (!this.#image.geometry.extendedL2) return;
    const bits = isCompressed(before) ? { allocated: 0, zero: 0 } : readSubclusters(table.bytes, at);
    this.#setSubclusters(table, at, { allocated: bits.allocated | mask, zero: bits.zero & ~mask });
  }

  #release(entry: RawEntry): void {
    const { geometry, file } = this.#image;
    if (isCompressed(entry)) {
      const { hostOffset, length } = compressedCluster(entry, geometry.clusterBits);
      this.#image.release(hostOffset, length);
      return;
    }
    const hostOffset = clusterOffset(entry, geometry, file.length);
    if (hostOffset !== 0) this.#image.release(hostOffset);
  }

  /** A part of a cluster: its other bytes in the same cluster (or subclusters) are kept, or become zero. */
  async #fill(index: number, from: number, source: Uint8Array, options: SignalOptions): Promise<void> {
    const { geometry } = this.#image;
    const { clusterBytes, grainBytes, tableSpan } = geometry;
    const start = from - (from % clusterBytes);
    const entry = readEntry((await this.#table(index)).bytes, this.#entryAt(start));
    const own = this.#ownCluster(entry);
    // A cluster that is left behind is copied whole; otherwise the grains that are touched are enough.
    const copies =
      own === 0 && (isCompressed(entry) || clusterOffset(entry, geometry, this.#image.file.length) !== 0);
    const first = copies ? start : from - (from % grainBytes);
    const end = copies ? start + clusterBytes : Math.ceil((from + source.length) / grainBytes) * grainBytes;
    const bytes = Buffer.alloc(end - first);
    await this.#readInside(index * tableSpan + first, bytes, options);
    bytes.set(source, from - first);
    const host = own === 0 ? (await this.#image.refcounts.allocate(1)).offset : own;
    if (own === 0) await this.#writeNew(bytes, host + first - start, { offset: host, count: 1 }, options);
    else {
      this.#image.metadata.assertFree('data', own);
      await this.#image.writeData(bytes, own + first - start, options);
    }
    await this.#settle(index, start, entry, host, { from: from - start, length: source.length }, own !== 0);
  }

  /** The entry after `#fill`. Subclusters that were holes stay holes, even if their bytes were copied along. */
  async #settle(
    index: number,
    start: number,
    before: RawEntry,
    host: number,
    written: { readonly from: number; readonly length: number },
    inPlace: boolean,
  ): Promise<void> {
    const { geometry } = this.#image;
    const table = await this.#table(index);
    const mask = isCompressed(before)
      ? allSubclusters
      : touched(geometry, written.from, written.from + written.length);
    if (!inPlace) this.#point(table, start, host, mask);
    else if (geometry.extendedL2) this.#mark(table, start, mask);
    // In version 3 a cluster may be allocated and read as zero; it holds data now.
    else this.#setEntry(table, this.#entryAt(start), makeEntry(host, true));
  }

  /** The end of the last cluster may lie behind the end of the disk. */
  async #readInside(guestOffset: number, target: Uint8Array, options: SignalOptions): Promise<void> {
    const inside = Math.min(target.length, Math.max(0, this.#image.header.sizeBytes - guestOffset));
    await this.#reader.read(target.subarray(0, inside), guestOffset, options);
  }

  /** Host offset of the cluster if this entry alone uses it, else 0. */
  #ownCluster(entry: RawEntry): number {
    if (isCompressed(entry) || !isCopied(entry)) return 0;
    return clusterOffset(entry, this.#image.geometry, this.#image.file.length);
  }

  /** Makes a range of one table's span read as zero. */
  async zero(index: number, from: number, end: number, options: SignalOptions): Promise<void> {
    const { geometry, sizeBytes } = this.#image;
    // What lies behind the end of the disk in its last cluster belongs to nobody.
    const atEnd = index * geometry.tableSpan + end === sizeBytes;
    const to = atEnd ? Math.ceil(end / geometry.clusterBytes) * geometry.clusterBytes : end;
    const hasParent = this.#image.header.backingName !== undefined;
    if (!hasParent && this.#image.l2Offset(index) === 0) return;
    for (let at = from; at < to; ) {
      const inCluster = at % geometry.clusterBytes;
      const stop = Math.min(to, at - inCluster + geometry.clusterBytes);
      if (!(await this.#readsZero(index, at, stop, hasParent))) {
        await this.#zeroInCluster(
          index,
          at - inCluster,
          inCluster,
          stop - at + inCluster,
          hasParent,
          options,
        );
      }
      at = stop;
    }
  }

  async #readsZero(index: number, from: number, to: number, hasParent: boolean): Promise<boolean> {
    const { geometry, file } = this.#image;
    const table = await this.#image.l2Table(index);
    try {
      for (const { kind } of tableRuns(table, geometry, from, to, file.length)) {
        if (kind !== 'zero' && (kind !== 'hole' || hasParent)) return false;
      }
    } catch (cause) {
      throw this.#image.explain(cause, index * geometry.tableSpan + from);
    }
    return true;
  }

  /** `from` and `to` in the cluster at `start`. */
  async #zeroInCluster(
    index: number,
    start: number,
    from: number,
    to: number,
    hasParent: boolean,
    options: SignalOptions,
  ): Promise<void> {
    const { geometry } = this.#image;
    const whole = covered(geometry, from, to);
    const cannot = whole === 0 || (geometry.version === 2 && hasParent);
    if (cannot || !(await this.#dropGrains(index, start, whole, hasParent))) {
      await this.write(index, Buffer.alloc(to - from), start + from, options);
      return;
    }
    // What sticks out at either end is less than a grain.
    const first = Math.ceil(from / geometry.grainBytes) * geometry.grainBytes;
    const last = Math.floor(to / geometry.grainBytes) * geometry.grainBytes;
    await this.#zeroPart(index, start + from, start + first, hasParent, options);
    await this.#zeroPart(index, start + last, start + to, hasParent, options);
  }

  async #zeroPart(
    index: number,
    from: number,
    to: number,
    hasParent: boolean,
    options: SignalOptions,
  ): Promise<void> {
    if (from >= to || (await this.#readsZero(index, from, to, hasParent))) return;
    await this.write(index, Buffer.alloc(to - from), from, options);
  }

  /** Grains of one cluster become zero without being written. False if the format cannot say so here. */
  async #dropGrains(index: number, start: number, mask: number, hasParent: boolean): Promise<boolean> {
    const { geometry } = this.#image;
    await this.#image.beforeChange();
    const table = await this.#image.ownL2Table(index);
    const at = this.#entryAt(start);
    const before = readEntry(table.bytes, at);
    if (!geometry.extendedL2) {
      this.#release(before);
      this.#setEntry(table, at, hasParent ? makeZeroEntry() : emptyEntry);
      return true;
    }
    if (isCompressed(before) && mask !== allSubclusters) return false;
    const bits = isCompressed(before) ? { allocated: 0, zero: 0 } : readSubclusters(table.bytes, at);
    const allocated = (bits.allocated & ~mask) >>> 0;
    if (allocated === 0) {
      this.#release(before);
      this.#setEntry(table, at, emptyEntry);
    }
    this.#setSubclusters(table, at, { allocated, zero: bits.zero | mask });
    return true;
  }
}
