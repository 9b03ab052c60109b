/**
 * L2 tables or refcount blocks in memory. Changed ones stay until they are written, in the order that the disk
 * decides; of the others the most recently used are kept.
 */
import { Buffer } from 'node:buffer';
import type { SignalOptions } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import type { BlockFile } from '../file.ts';
import { cacheBytes, sectorBytes } from './limits.ts';

interface CachedTable {
  readonly bytes: Buffer;
  /** Part of the table that differs from the file; empty if `changedTo` is 0. */
  changedFrom: number;
  changedTo: number;
}

export class TableCache {
  readonly #file: BlockFile;
  readonly #tableBytes: number;
  readonly #what: string;
  readonly #capacity: number;
  /** By host offset, in the order of their last use. */
  readonly #tables = new Map<number, CachedTable>();
  readonly #loading = new Map<number, Promise<Buffer>>();
  #changed = 0;

  constructor(file: BlockFile, tableBytes: number, what: string) {
    this.#file = file;
    this.#tableBytes = tableBytes;
    this.#what = what;
    this.#capacity = Math.max(8, Math.floor(cacheBytes / tableBytes));
  }

  /** So many tables wait to be written that the disk should do it before it changes more. */
  get crowded(): boolean {
    return this.#changed >= this.#capacity / 2;
  }

  /** The table if it is in memory, so that hot paths need not wait. */
  peek(offset: number): Buffer | undefined {
    const table = this.#tables.get(offset);
    if (!table) return undefined;
    this.#tables.delete(offset);
    this.#tables.set(offset, table);
    return table.bytes;
  }

  /** @throws disk.corrupt if the offset cannot be that of a table; disk.truncated */
  async get(offset: number, options?: SignalOptions): Promise<Buffer> {
    return this.peek(offset) ?? (await this.#load(offset, options));
  }

  #load(offset: number, options?: SignalOptions): Promise<Buffer> {
    const running = this.#loading.get(offset);
    if (running) return running;
    const load = this.#read(offset, options).finally(() => this.#loading.delete(offset));
    this.#loading.set(offset, load);
    return load;
  }

  async #read(offset: number, options?: SignalOptions): Promise<Buffer> {
    if (offset % this.#tableBytes !== 0 || offset === 0) {
      throw diskErrors.corrupt({
        path: this.#file.path,
        what: `its ${this.#what} at ${offset} is not aligned`,
      });
    }
    const bytes = Buffer.allocUnsafeSlow(this.#tableBytes);
    await this.#file.readExact(bytes, offset, this.#what, options);
    // Somebody may have made a new table here while the old bytes were on their way.
    const newer = this.#tables.get(offset);
    if (newer) return newer.bytes;
    this.#tables.set(offset, { bytes, changedFrom: 0, changedTo: 0 });
    this.#shrink();
    return bytes;
  }

  #shrink(): void {
    if (this.#tables.size <= this.#capacity) return;
    for (const [offset, table] of this.#tables) {
      if (table.changedTo !== 0) continue;
      this.#tables.delete(offset);
      if (this.#tables.size <= this.#capacity) return;
    }
  }

  /** A new table, all of it changed. */
  add(offset: number, bytes: Buffer): void {
    this.forget(offset);
    this.#tables.set(offset, { bytes, changedFrom: 0, changedTo: this.#tableBytes });
    this.#changed += 1;
    this.#shrink();
  }

  /** Notes that bytes of a table in memory were changed. The table must have been got since the last wait. */
  touch(offset: number, from: number, to: number): void {
    const table = this.#tables.get(offset);
    if (!table) throw new Error(`no ${this.#what} in memory at ${offset}`);
    if (table.changedTo === 0) {
      this.#changed += 1;
      table.changedFrom = from;
    }
    table.changedFrom = Math.min(table.changedFrom, from);
    table.changedTo = Math.max(table.changedTo, to);
  }

  /** The cluster is used otherwise now; changes in it are void. */
  forget(offset: number): void {
    if (this.#tables.get(offset)?.changedTo) this.#changed -= 1;
    this.#tables.delete(offset);
  }

  /** Writes what changed, whole sectors. Returns whether anything was written. */
  async write(): Promise<boolean> {
    if (this.#changed === 0) return false;
    const changed = [...this.#tables]
      .filter(([, table]) => table.changedTo !== 0)
      .sort((a, b) => a[0] - b[0]);
    for (const [offset, table] of changed) {
      const from = table.changedFrom - (table.changedFrom % sectorBytes);
      const to = Math.ceil(table.changedTo / sectorBytes) * sectorBytes;
      await this.#file.writeAll(table.bytes.subarray(from, to), offset + from);
      table.changedFrom = 0;
      table.changedTo = 0;
      this.#changed -= 1;
    }
    this.#shrink();
    return true;
  }
}
