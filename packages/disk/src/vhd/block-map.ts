/** Block table and sector bitmaps of a dynamic or differencing VHD that is open. */
import { Buffer } from 'node:buffer';
import type { Range, SignalOptions } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import type { BlockFile } from '../file.ts';
import { dynamicHeaderBytes } from './dynamic-header.ts';
import { footerBytes, sectorBytes } from './footer.ts';
import type { DynamicStructure, VhdStructure } from './structure.ts';

const absent = 0xffff_ffff;
const entryBytes = 4;
/** What is kept of bitmaps that did not change: 4096 of them for blocks of 2 MiB, four for the largest that a file may claim. */
const maxCleanBytes = 2 * 2 ** 20;

interface CachedBitmap {
  readonly bytes: Buffer;
  changed: boolean;
}

export interface FileChange {
  readonly fileOffset: number;
  readonly bytes: Buffer;
}

export class BlockMap {
  readonly file: BlockFile;
  readonly dynamic: DynamicStructure;
  readonly sizeBytes: number;
  #table: Promise<Buffer> | undefined;
  #loaded: Buffer | undefined;
  readonly #changedTableSectors = new Set<number>();
  readonly #bitmaps = new Map<number, CachedBitmap>();
  readonly #changedBitmaps = new Set<number>();

  constructor(file: BlockFile, structure: VhdStructure, dynamic: DynamicStructure) {
    this.file = file;
    this.dynamic = dynamic;
    this.sizeBytes = structure.sizeBytes;
  }

  get blocks(): number {
    return this.dynamic.blocks;
  }

  get blockBytes(): number {
    return this.dynamic.header.blockBytes;
  }

  get bitmapBytes(): number {
    return this.dynamic.bitmapBytes;
  }

  get hasParent(): boolean {
    return this.dynamic.parent !== undefined;
  }

  /** Bytes of a block that lie inside the disk. */
  usedBytes(block: number): number {
    return Math.min(this.blockBytes, this.sizeBytes - block * this.blockBytes);
  }

  table(options: SignalOptions = {}): Promise<Buffer> {
    this.#table ??= this.#readTable(options).catch((cause: unknown) => {
      this.#table = undefined;
      throw cause;
    });
    return this.#table;
  }

  /** How many blocks from this one on are absent. The table must have been asked for. */
  absentRun(block: number): number {
    const table = this.#loaded;
    let next = block;
    while (table && next < this.blocks && table.readUInt32BE(next * entryBytes) === absent) next += 1;
    return next - block;
  }

  async #readTable(options: SignalOptions): Promise<Buffer> {
    const bytes = Buffer.alloc(this.blocks * entryBytes);
    await this.file.readExact(bytes, this.dynamic.header.tableOffset, 'block table', options);
    this.#loaded = bytes;
    return bytes;
  }

  /** Blocks that are present, in the order of the disk. Their places are not checked. */
  async present(
    options: SignalOptions = {},
  ): Promise<Iterable<{ readonly block: number; readonly place: number }>> {
    const table = await this.table(options);
    const { blocks } = this;
    return (function* () {
      for (let block = 0; block < blocks; block += 1) {
        const sector = table.readUInt32BE(block * entryBytes);
        if (sector !== absent) yield { block, place: sector * sectorBytes };
      }
    })();
  }

  /** Where the bitmap of a block begins, its data behind it; undefined for an absent block. Not checked. */
  async rawPlace(block: number, options: SignalOptions = {}): Promise<number | undefined> {
    const sector = (await this.table(options)).readUInt32BE(block * entryBytes);
    return sector === absent ? undefined : sector * sectorBytes;
  }

  /** Like `rawPlace`, but believed. @throws disk.corrupt; disk.truncated */
  async place(block: number, options: SignalOptions = {}): Promise<number | undefined> {
    const place = await this.rawPlace(block, options);
    if (place !== undefined) this.checkPlace(block, place);
    return place;
  }

  /** @throws disk.corrupt; disk.truncated */
  checkPlace(block: number, place: number): void {
    const { path, length: fileBytes } = this.file;
    const length = this.bitmapBytes + this.usedBytes(block);
    const inside = this.reserved().some(
      (range) => place < range.offset + range.length && place + length > range.offset,
    );
    if (inside) {
      throw diskErrors.corrupt({
        path,
        what: `its block ${block} lies at ${place}, where the file keeps its headers`,
      });
    }
    if (place + length > fileBytes) {
      throw diskErrors.truncated({ path, what: `block ${block}`, fileOffset: place, length, fileBytes });
    }
  }

  /** Where no block may lie. */
  reserved(): readonly Range[] {
    const { header, headerOffset } = this.dynamic;
    return [
      { offset: 0, length: footerBytes },
      { offset: headerOffset, length: dynamicHeaderBytes },
      { offset: header.tableOffset, length: this.blocks * entryBytes },
    ];
  }

  /** Bits of a block that is present, most significant first. Changes are announced with `touchBitmap`. */
  async bitmap(block: number, place: number, options: SignalOptions = {}): Promise<Buffer> {
    const cached = this.#bitmaps.get(block);
    if (cached) return cached.bytes;
    const bytes = Buffer.alloc(this.bitmapBytes);
    await this.file.readExact(bytes, place, `bitmap of block ${block}`, options);
    const meanwhile = this.#bitmaps.get(block);
    if (meanwhile) return meanwhile.bytes;
    this.#bitmaps.set(block, { bytes, changed: false });
    this.#dropOldest();
    return bytes;
  }

  #dropOldest(): void {
    if (this.#bitmaps.size * this.bitmapBytes <= maxCleanBytes) return;
    for (const [block, bitmap] of this.#bitmaps) {
      if (bitmap.changed) continue;
      this.#bitmaps.delete(block);
      return;
    }
  }

  touchBitmap(block: number, bytes: Buffer): void {
    this.#bitmaps.set(block, { bytes, changed: true });
    this.#changedBitmaps.add(block);
  }

  async setPlace(block: number, place: number | undefined): Promise<void> {
    const table = await this.table();
    table.writeUInt32BE(place === undefined ? absent : place / sectorBytes, block * entryBytes);
    this.#changedTableSectors.add(Math.floor((block * entryBytes) / sectorBytes));
    if (place !== undefined) return;
    this.#bitmaps.delete(block);
    this.#changedBitmaps.delete(block);
  }

  get changedCount(): number {
    return this.#changedTableSectors.size + this.#changedBitmaps.size;
  }

  /** Bitmaps that changed, of the blocks for which `wanted` says yes. */
  async changedBitmaps(wanted: (block: number) => boolean): Promise<readonly FileChange[]> {
    const changes: FileChange[] = [];
    for (const [block, { bytes, changed }] of this.#bitmaps) {
      const place = changed && wanted(block) ? await this.rawPlace(block) : undefined;
      if (place !== undefined) changes.push({ fileOffset: place, bytes });
    }
    return changes;
  }

  /** Sectors of the table that changed; each holds entries of its own and may be written alone. */
  async changedTable(): Promise<readonly FileChange[]> {
    const table = await this.table();
    return [...this.#changedTableSectors].map((sector) => ({
      fileOffset: this.dynamic.header.tableOffset + sector * sectorBytes,
      bytes: table.subarray(sector * sectorBytes, (sector + 1) * sectorBytes),
    }));
  }

  /** All changes are in the file. */
  settle(): void {
    this.#changedTableSectors.clear();
    for (const block of this.#changedBitmaps) this.#bitmaps.get(block)!.changed = false;
    this.#changedBitmaps.clear();
  }
}
