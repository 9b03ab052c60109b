/**
 * Changes to a dynamic or differencing VHD. There is no log: the order of writes stands for it (docs/formats/vhd.md).
 */
import { Buffer } from 'node:buffer';
import type { Range, SignalOptions } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import { bitIsSet, fillBits } from '../sector-bitmap.ts';
import { Settling } from '../settling.ts';
import type { BlockMap } from './block-map.ts';
import { encodeFooter, footerBytes, sectorBytes, type VhdFooter } from './footer.ts';
import type { VhdStructure } from './structure.ts';

/** Data of new blocks starts at a multiple of it, as in files from Windows. */
export const dataAlignment = 4096;
const maxFileBytes = 0xffff_ffff * sectorBytes;
const maxChanges = 1024;

export class VhdWriter {
  readonly map: BlockMap;
  readonly #footer: VhdFooter;
  readonly #isClean: boolean;
  readonly #scratch: boolean;
  /** End of the last structure: the footer goes there. Known once the table was looked through. */
  #end: number | undefined;
  readonly #newBlocks = new Set<number>();
  #footerAt: number | undefined;
  readonly #settling = new Settling();

  /** `scratch`: nobody sees the file before it is closed, so there is no barrier but the last. */
  constructor(map: BlockMap, structure: VhdStructure, scratch = false) {
    this.map = map;
    this.#footer = structure.footer;
    this.#isClean = structure.notes.length === 0;
    this.#scratch = scratch;
  }

  /**
   * Looks the table through, so that no write changes two blocks, and makes both footers whole if they are not. `tidy`
   * also gives back what lies behind the last block.
   */
  async begin(options: SignalOptions, how: { readonly tidy: boolean } = { tidy: false }): Promise<number> {
    this.#settling.refuseAfterFailure();
    if (this.#end !== undefined) return this.#end;
    const { end } = await occupancy(this.map, options);
    if (!this.#isClean || how.tidy) await this.#settling.run(() => this.#tidy(end));
    this.#footerAt = end;
    this.#end = end;
    return end;
  }

  /** The footer at the end goes only once the copy at the front is whole and stable. */
  async #tidy(end: number): Promise<void> {
    const { file } = this.map;
    await file.writeAll(encodeFooter(this.#footer), 0);
    await file.sync();
    await file.truncate(end);
    await file.writeAll(encodeFooter(this.#footer), end);
    await file.sync();
  }

  async write(source: Uint8Array, offset: number, options: SignalOptions): Promise<void> {
    await this.begin(options);
    for (const { block, range } of this.#blocks({ offset, length: source.length })) {
      const place = (await this.map.place(block, options)) ?? (await this.#allocate(block));
      const start = range.offset - offset;
      await this.#clearEdges(block, place, range, options);
      const bytes = source.subarray(start, start + range.length);
      await this.map.file.writeAll(bytes, this.#dataOffset(block, place, range.offset), options);
      await this.#setBits(block, place, range, options);
      await this.#flushIfMany();
    }
  }

  async zero(offset: number, length: number, options: SignalOptions): Promise<void> {
    await this.begin(options);
    for (const { block, range } of this.#blocks({ offset, length })) {
      options.signal?.throwIfAborted();
      const found = await this.map.place(block, options);
      if (found === undefined && !this.map.hasParent) continue;
      // The format has no state for zeros: under a parent the block must be here to hide what the parent has.
      const place = found ?? (await this.#allocate(block));
      await this.#clearEdges(block, place, range, options);
      await this.map.file.punch(this.#dataOffset(block, place, range.offset), range.length, options);
      await this.#setBits(block, place, range, options);
      await this.#flushIfMany();
    }
  }

  #dataOffset(block: number, place: number, offset: number): number {
    return place + this.map.bitmapBytes + (offset - block * this.map.blockBytes);
  }

  /** A block of zeros behind all others. */
  async #allocate(block: number): Promise<number> {
    const { map } = this;
    const end = this.#end ?? 0;
    const data = Math.ceil((end + map.bitmapBytes) / dataAlignment) * dataAlignment;
    const place = data - map.bitmapBytes;
    const next = data + map.blockBytes;
    if (next + footerBytes > maxFileBytes) {
      const place = { path: map.file.path, bytes: next, limit: maxFileBytes };
      throw diskErrors['file-too-large']({ ...place, fileSystem: 'the VHD format' });
    }
    // Behind the last structure there may be the rest of a block that a crash left: new blocks start as zeros. The
    // footer goes too; until the next flush the copy at the front serves.
    if (map.file.length > end) await map.file.truncate(end);
    await map.file.truncate(next);
    this.#end = next;
    this.#newBlocks.add(block);
    const bits = Buffer.alloc(map.bitmapBytes);
    // In a dynamic disk all sectors are here.
    if (!map.hasParent) bits.fill(0xff);
    map.touchBitmap(block, bits);
    await map.setPlace(block, place);
    return place;
  }

  async #setBits(block: number, place: number, range: Range, options: SignalOptions): Promise<void> {
    if (!this.map.hasParent) return;
    const bits = await this.map.bitmap(block, place, options);
    const inBlock = range.offset - block * this.map.blockBytes;
    const first = Math.floor(inBlock / sectorBytes);
    fillBits(bits, first, Math.ceil((inBlock + range.length) / sectorBytes), true, 'msb-first');
    this.map.touchBitmap(block, bits);
  }

  /** Sectors that were the parent's and are covered only in part become zero first (`Disk.write`). */
  async #clearEdges(block: number, place: number, range: Range, options: SignalOptions): Promise<void> {
    if (!this.map.hasParent) return;
    const bits = await this.map.bitmap(block, place, options);
    const inBlock = range.offset - block * this.map.blockBytes;
    for (const edge of new Set([inBlock, inBlock + range.length])) {
      if (edge % sectorBytes === 0) continue;
      const sector = Math.floor(edge / sectorBytes);
      if (bitIsSet(bits, sector, 'msb-first')) continue;
      await this.map.file.writeZeros(
        place + this.map.bitmapBytes + sector * sectorBytes,
        sectorBytes,
        options,
      );
    }
  }

  *#blocks(range: Range): Generator<{ readonly block: number; readonly range: Range }> {
    const { blockBytes } = this.map;
    const end = range.offset + range.length;
    for (let at = range.offset; at < end; ) {
      const block = Math.floor(at / blockBytes);
      const next = Math.min(end, (block + 1) * blockBytes);
      yield { block, range: { offset: at, length: next - at } };
      at = next;
    }
  }

  async #flushIfMany(): Promise<void> {
    if (this.map.changedCount >= maxChanges) await this.flush();
  }

  flush(): Promise<void> {
    return this.#settling.run(() => this.#flush());
  }

  async #flush(): Promise<void> {
    const { map } = this;
    if (this.#end === undefined) return;
    // What nothing points to yet: payload is there already, bitmaps of new blocks and the footer behind them follow.
    for (const change of await map.changedBitmaps((block) => this.#newBlocks.has(block))) {
      await map.file.writeAll(change.bytes, change.fileOffset);
    }
    if (this.#footerAt !== this.#end) {
      await map.file.writeAll(encodeFooter(this.#footer), this.#end);
      this.#footerAt = this.#end;
    }
    if (!this.#scratch) await map.file.sync();
    if (map.changedCount === 0) return;
    // What makes it visible: each of these sectors may arrive or not.
    const changes = [
      ...(await map.changedBitmaps((block) => !this.#newBlocks.has(block))),
      ...(await map.changedTable()),
    ];
    for (const change of changes) await map.file.writeAll(change.bytes, change.fileOffset);
    if (!this.#scratch) await map.file.sync();
    map.settle();
    this.#newBlocks.clear();
  }

  /** After the last flush. */
  async end(): Promise<void> {
    if (this.#scratch) await this.#settling.run(() => this.map.file.sync());
  }
}

export interface Occupancy {
  /** Where blocks begin, in the order of the file. */
  readonly places: Float64Array;
  /** End of the last structure, in whole sectors: the footer belongs there. */
  readonly end: number;
}

/**
 * Where the file keeps its blocks.
 *
 * @throws disk.corrupt when two structures share a place; disk.truncated
 */
export async function occupancy(map: BlockMap, options: SignalOptions): Promise<Occupancy> {
  const places = Float64Array.from(await checkedPlaces(map, options)).sort();
  const length = map.bitmapBytes + map.blockBytes;
  const { path } = map.file;
  for (const [index, place] of places.entries()) {
    if (index > 0 && places[index - 1]! + length > place) {
      throw diskErrors.corrupt({ path, what: `two of its blocks share the place ${place}` });
    }
  }
  const locators = map.dynamic.header.locators.map((entry) => ({
    offset: entry.fileOffset,
    length: entry.length,
  }));
  const overlaps = (range: Range): boolean =>
    places.some((place) => place < range.offset + range.length && place + length > range.offset);
  if (locators.some(overlaps)) {
    throw diskErrors.corrupt({ path, what: 'a block and a parent locator share a place' });
  }
  const fixedEnd = Math.max(...[...map.reserved(), ...locators].map((range) => range.offset + range.length));
  const blocksEnd = places.length === 0 ? 0 : places[places.length - 1]! + length;
  return { places, end: Math.ceil(Math.max(fixedEnd, blocksEnd) / sectorBytes) * sectorBytes };
}

async function checkedPlaces(map: BlockMap, options: SignalOptions): Promise<readonly number[]> {
  const places: number[] = [];
  for (const { block, place } of await map.present(options)) {
    map.checkPlace(block, place);
    places.push(place);
  }
  return places;
}
