/**
 * A VHDX file that is open: its structure, its table and bitmaps through the page cache. Reading only; `VhdxWriter`
 * adds changes.
 */
import type { Buffer } from 'node:buffer';
import type { SignalOptions } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import type { BlockFile } from '../file.ts';
import {
  type BatEntry,
  type BatLayout,
  bitmapBlockBytes,
  bitmapState,
  entryBytes,
  hasContent,
  payloadState,
  readEntry,
  writeEntry,
} from './block-table.ts';
import { type Page, PageCache, pageBytes } from './page-cache.ts';
import { readStructure, type StructureOptions, type VhdxStructure } from './structure.ts';

export interface BitmapView {
  readonly page: Page;
  /** Of the block's first bit, in the page. */
  readonly offset: number;
  /** The block's own bits, least significant first. */
  readonly bytes: Buffer;
}

export class VhdxImage {
  readonly structure: VhdxStructure;
  readonly cache: PageCache;

  constructor(structure: VhdxStructure) {
    this.structure = structure;
    this.cache = new PageCache(structure.file);
  }

  static async open(file: BlockFile, options: StructureOptions): Promise<VhdxImage> {
    return new VhdxImage(await readStructure(file, options));
  }

  get file(): BlockFile {
    return this.structure.file;
  }

  get path(): string {
    return this.structure.file.path;
  }

  get layout(): BatLayout {
    return this.structure.layout;
  }

  get hasParent(): boolean {
    return this.structure.metadata.parent !== undefined;
  }

  /** Where in the file the entry with that index lies. */
  entryOffset(index: number): number {
    return this.structure.bat.offset + index * entryBytes;
  }

  tablePage(index: number, options: SignalOptions = {}): Promise<Page> {
    return this.cache.page(this.entryOffset(index), options);
  }

  async #entry(index: number, options: SignalOptions): Promise<BatEntry> {
    const offset = this.entryOffset(index);
    const page = this.cache.cached(offset) ?? (await this.tablePage(index, options));
    return readEntry(page.bytes, offset % pageBytes);
  }

  /** State and place of a payload block; a place that is returned has been checked. */
  async payload(block: number, options: SignalOptions = {}): Promise<BatEntry> {
    const entry = await this.#entry(this.layout.payloadIndex(block), options);
    this.checkPayload(block, entry);
    return entry;
  }

  /** @throws disk.corrupt; disk.truncated */
  checkPayload(block: number, entry: BatEntry): void {
    const { state } = entry;
    if (state === 4 || state === 5 || (state === payloadState.partiallyPresent && !this.hasParent)) {
      throw diskErrors.corrupt({
        path: this.path,
        what: `its block ${block} has the illegal state ${state}`,
      });
    }
    if (hasContent(entry)) this.#checkPlace(`block ${block}`, entry.fileOffset, this.layout.usedBytes(block));
  }

  /** Place of the bitmap block of a chunk, undefined when it has none. */
  async bitmapBlock(chunk: number, options: SignalOptions = {}): Promise<number | undefined> {
    const entry = await this.#entry(this.layout.bitmapIndex(chunk), options);
    if (entry.state === bitmapState.notPresent) return undefined;
    this.checkBitmapBlock(chunk, entry);
    return entry.fileOffset;
  }

  /** @throws disk.corrupt; disk.truncated */
  checkBitmapBlock(chunk: number, entry: BatEntry): void {
    if (entry.state === bitmapState.notPresent) return;
    if (entry.state !== bitmapState.present || !this.hasParent) {
      throw diskErrors.corrupt({
        path: this.path,
        what: `its bitmap ${chunk} has the illegal state ${entry.state}`,
      });
    }
    this.#checkPlace(`bitmap ${chunk}`, entry.fileOffset, bitmapBlockBytes);
  }

  /** The sector bitmap of a block that is partially present. */
  async bitmap(block: number, options: SignalOptions = {}): Promise<BitmapView> {
    const chunk = this.layout.chunkOf(block);
    const place = await this.bitmapBlock(chunk, options);
    if (place === undefined) {
      throw diskErrors.corrupt({
        path: this.path,
        what: `its block ${block} is partially present without a bitmap`,
      });
    }
    // The bits of a block are a power of two of bytes, 64 KiB at most, and aligned to it: one page holds them.
    const fileOffset = place + this.layout.bitmapOffset(block);
    const page = await this.cache.page(fileOffset, options);
    const offset = fileOffset % pageBytes;
    return { page, offset, bytes: page.bytes.subarray(offset, offset + this.layout.bitmapBytes) };
  }

  /** @throws disk.corrupt; disk.truncated */
  #checkPlace(name: string, offset: number, length: number): void {
    const { path, file } = this;
    if (this.#inReserved(offset, length)) {
      throw diskErrors.corrupt({
        path,
        what: `its ${name} lies at ${offset}, where the file keeps something else`,
      });
    }
    if (offset + length > file.length) {
      throw diskErrors.truncated({ path, what: name, fileOffset: offset, length, fileBytes: file.length });
    }
  }

  #inReserved(offset: number, length: number): boolean {
    const { reserved } = this.structure;
    let low = 0;
    let high = reserved.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (reserved[middle]!.offset < offset + length) low = middle + 1;
      else high = middle;
    }
    const before = reserved[low - 1];
    return before !== undefined && before.offset + before.length > offset;
  }

  /** Changes a table entry in memory. */
  async setEntry(index: number, entry: BatEntry, options: SignalOptions = {}): Promise<void> {
    const page = await this.tablePage(index, options);
    const offset = this.entryOffset(index) % pageBytes;
    writeEntry(page.bytes, entry, offset);
    this.cache.touch(page, offset, entryBytes);
  }
}
