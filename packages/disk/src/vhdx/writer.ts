/**
 * Changes to a VHDX: payload goes to the file at once, table and bitmaps change in memory until `commit`
 * (docs/formats/vhdx.md, order of writes).
 */
import type { Range, SignalOptions } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import { bitIsSet, fillBits } from '../sector-bitmap.ts';
import { Settling } from '../settling.ts';
import {
  absentEntry,
  type BatEntry,
  bitmapBlockBytes,
  bitmapState,
  hasContent,
  payloadState,
  zeroEntry,
} from './block-table.ts';
import type { VhdxImage } from './image.ts';
import { LogWriter } from './log-writer.ts';
import type { ChangedSector } from './page-cache.ts';
import type { SpaceMap } from './space-map.ts';
import { mapSpace } from './table-scan.ts';

/** Changed sectors of 4 KiB that are kept before they are committed without being asked. */
const maxChangedSectors = 96;

export class VhdxWriter {
  readonly image: VhdxImage;
  readonly log: LogWriter;
  #space: SpaceMap | undefined;
  /** Freed by changes that are not committed yet. */
  #freed: Range[] = [];
  readonly #settling = new Settling();
  #activeReads = 0;

  /** `scratch`: nobody sees the file before it is closed, so there is no log and no barrier but the last. */
  constructor(image: VhdxImage, scratch = false) {
    this.image = image;
    this.log = new LogWriter(image.file, image.structure.headers, scratch);
    if (image.structure.headers.current.logLength === 0) {
      throw diskErrors['needs-repair']({ path: image.path, reason: 'it has no log' });
    }
  }

  /** Space that is freed is not used again while a read may still look at it. */
  async whileReading<T>(work: () => Promise<T>): Promise<T> {
    this.#activeReads += 1;
    try {
      return await work();
    } finally {
      this.#activeReads -= 1;
    }
  }

  /** Before any change, see `LogWriter.begin`. */
  begin(change: { readonly visible: boolean }): Promise<void> {
    return this.#settling.run(() => this.log.begin(change));
  }

  async space(options: SignalOptions = {}): Promise<SpaceMap> {
    if (this.#space) return this.#space;
    const { space, strays } = await mapSpace(this.image, options);
    // An offset that means nothing in its state must not be the same as one that does (2.5.1).
    if (strays.length > 0) await this.begin({ visible: false });
    for (const { index, entry } of strays) {
      await this.image.setEntry(index, { state: entry.state, fileOffset: 0 }, options);
      await this.commitIfMany();
    }
    this.#space = space;
    return space;
  }

  async write(source: Uint8Array, offset: number, options: SignalOptions): Promise<void> {
    await this.space(options);
    await this.begin({ visible: true });
    for (const { block, range } of this.#blocks({ offset, length: source.length })) {
      const start = range.offset - offset;
      await this.#writeBlock(block, range, source.subarray(start, start + range.length), options);
      await this.commitIfMany();
    }
  }

  async #writeBlock(block: number, range: Range, bytes: Uint8Array, options: SignalOptions): Promise<void> {
    const entry = await this.image.payload(block, options);
    const place = hasContent(entry) ? entry.fileOffset : await this.allocate(this.image.layout.blockBytes);
    const inBlock = range.offset - block * this.image.layout.blockBytes;
    if (entry.state === payloadState.partiallyPresent) await this.#clearEdges(block, entry, range, options);
    await this.image.file.writeAll(bytes, place + inBlock, options);
    await this.#markPresent(block, entry, place, range, options);
  }

  /** The table and the bitmap say from now on that the range is here. */
  async #markPresent(
    block: number,
    before: BatEntry,
    place: number,
    range: Range,
    options: SignalOptions,
  ): Promise<void> {
    const { image } = this;
    if (before.state === payloadState.fullyPresent) return;
    const whole = this.#isWholeBlock(block, range);
    const partial = before.state === payloadState.partiallyPresent;
    // Only a hole under a parent is filled sector by sector; everywhere else the rest of a new block is zeros.
    const bySector = !whole && (partial || (before.state === payloadState.notPresent && image.hasParent));
    if (bySector) await this.#setBits(block, range, { clearOthers: !partial }, options);
    const state = bySector ? payloadState.partiallyPresent : payloadState.fullyPresent;
    if (state === before.state && place === before.fileOffset) return;
    await image.setEntry(image.layout.payloadIndex(block), { state, fileOffset: place }, options);
  }

  async #setBits(
    block: number,
    range: Range,
    how: { readonly clearOthers: boolean },
    options: SignalOptions,
  ): Promise<void> {
    const { image } = this;
    const { layout } = image;
    await this.#ensureBitmapBlock(layout.chunkOf(block), options);
    const { page, bytes, offset } = await image.bitmap(block, options);
    if (how.clearOthers) {
      // A bitmap may hold bits from a time when the block was here: they meant nothing since, and would now.
      bytes.fill(0);
      image.cache.touch(page, offset, bytes.length);
    }
    const inBlock = range.offset - block * layout.blockBytes;
    const first = Math.floor(inBlock / layout.sectorBytes);
    const end = Math.ceil((inBlock + range.length) / layout.sectorBytes);
    fillBits(bytes, first, end, true, 'lsb-first');
    image.cache.touch(page, offset + (first >>> 3), ((end - 1) >>> 3) - (first >>> 3) + 1);
  }

  async #ensureBitmapBlock(chunk: number, options: SignalOptions): Promise<void> {
    const { image } = this;
    if ((await image.bitmapBlock(chunk, options)) !== undefined) return;
    const fileOffset = await this.allocate(bitmapBlockBytes);
    image.cache.forget(fileOffset, bitmapBlockBytes);
    await image.setEntry(
      image.layout.bitmapIndex(chunk),
      { state: bitmapState.present, fileOffset },
      options,
    );
  }

  /**
   * A partially present block may hold anything in sectors whose bit is 0. Those that the range covers only in part
   * become zero first (`Disk.write`: the rest of a grain).
   */
  async #clearEdges(block: number, entry: BatEntry, range: Range, options: SignalOptions): Promise<void> {
    const { layout, file } = this.image;
    const { bytes } = await this.image.bitmap(block, options);
    const inBlock = range.offset - block * layout.blockBytes;
    const end = inBlock + range.length;
    const edges = new Set<number>();
    if (inBlock % layout.sectorBytes !== 0) edges.add(Math.floor(inBlock / layout.sectorBytes));
    if (end % layout.sectorBytes !== 0) edges.add(Math.floor(end / layout.sectorBytes));
    for (const sector of edges) {
      if (bitIsSet(bytes, sector, 'lsb-first')) continue;
      await file.writeZeros(entry.fileOffset + sector * layout.sectorBytes, layout.sectorBytes, options);
    }
  }

  async zero(offset: number, length: number, options: SignalOptions): Promise<void> {
    await this.space(options);
    await this.begin({ visible: true });
    for (const { block, range } of this.#blocks({ offset, length })) {
      options.signal?.throwIfAborted();
      await this.#zeroBlock(block, range, options);
      await this.commitIfMany();
    }
  }

  async #zeroBlock(block: number, range: Range, options: SignalOptions): Promise<void> {
    const { image } = this;
    const entry = await image.payload(block, options);
    const reads = hasContent(entry) || (entry.state === payloadState.notPresent && image.hasParent);
    if (reads && this.#isWholeBlock(block, range) && !image.structure.metadata.leaveBlockAllocated) {
      await this.dropBlock(block, entry, zeroEntry);
    } else {
      await this.zeroInBlock(block, entry, range, options);
    }
  }

  /** Makes a part of a block zero and keeps the block; the part may lie behind the end of the disk. */
  async zeroInBlock(block: number, entry: BatEntry, range: Range, options: SignalOptions): Promise<void> {
    const { image } = this;
    const inBlock = range.offset - block * image.layout.blockBytes;
    if (entry.state === payloadState.notPresent && image.hasParent) {
      await this.#markPresent(block, entry, await this.allocate(image.layout.blockBytes), range, options);
    }
    if (!hasContent(entry)) return;
    const { fileOffset } = entry;
    if (entry.state === payloadState.partiallyPresent) await this.#clearEdges(block, entry, range, options);
    await image.file.punch(fileOffset + inBlock, range.length, options);
    if (image.structure.metadata.leaveBlockAllocated)
      await image.file.reserve(fileOffset + inBlock, range.length);
    await this.#markPresent(block, entry, fileOffset, range, options);
  }

  /** Gives up the content of a block. Its space can be used again after the next commit. */
  async dropBlock(block: number, before: BatEntry, after: BatEntry = absentEntry): Promise<void> {
    await this.image.setEntry(this.image.layout.payloadIndex(block), after);
    if (hasContent(before)) this.free({ offset: before.fileOffset, length: this.image.layout.blockBytes });
  }

  free(range: Range): void {
    this.#freed.push(range);
  }

  /** A place for `length` bytes that read as zero. */
  async allocate(length: number): Promise<number> {
    const space = await this.space();
    const found = space.find(length);
    const offset = found ?? space.fileBytes;
    if (found === undefined) await this.image.file.truncate(offset + length);
    else await this.image.file.punch(offset, length);
    space.take({ offset, length });
    return offset;
  }

  #isWholeBlock(block: number, range: Range): boolean {
    const { layout } = this.image;
    return range.offset === block * layout.blockBytes && range.length === layout.usedBytes(block);
  }

  *#blocks(range: Range): Generator<{ readonly block: number; readonly range: Range }> {
    const { blockBytes } = this.image.layout;
    const end = range.offset + range.length;
    for (let at = range.offset; at < end; ) {
      const block = Math.floor(at / blockBytes);
      const next = Math.min(end, (block + 1) * blockBytes);
      yield { block, range: { offset: at, length: next - at } };
      at = next;
    }
  }

  async commitIfMany(): Promise<void> {
    if (this.image.cache.changedCount >= maxChangedSectors) await this.commit();
  }

  /** When it resolves, all changes so far survive a power cut. `atomic`: after one, all of them have happened or none. */
  commit(how: { readonly atomic?: boolean; readonly fileBytes?: number } = {}): Promise<void> {
    return this.#settling.run(() => this.#commit(how));
  }

  async #commit(how: { readonly atomic?: boolean; readonly fileBytes?: number }): Promise<void> {
    if (!this.log.begun) return;
    const { cache, file } = this.image;
    const sectors = this.#inOrder(cache.changes());
    const target = { fileBytes: how.fileBytes ?? file.length, atomic: how.atomic ?? false };
    if (sectors.length > 0) {
      await this.log.commit(sectors, target);
      cache.settle();
    } else {
      await this.log.barrier();
    }
    await this.#reuseFreed();
  }

  /**
   * Bitmaps first, then the table from its end to its beginning: an entry that says "partially present" follows the
   * bitmap that it relies on, whose own entry stands behind it in the table.
   */
  #inOrder(sectors: readonly ChangedSector[]): readonly ChangedSector[] {
    const { bat } = this.image.structure;
    const inTable = (sector: ChangedSector): boolean =>
      sector.fileOffset >= bat.offset && sector.fileOffset < bat.offset + bat.length;
    return [...sectors.filter((sector) => !inTable(sector)), ...sectors.filter(inTable).reverse()];
  }

  async #reuseFreed(): Promise<void> {
    const space = this.#space;
    if (!space || this.#freed.length === 0 || this.#activeReads > 0) return;
    for (const range of this.#freed) {
      await this.image.file.punch(range.offset, range.length);
      this.image.cache.forget(range.offset, range.length);
      space.release(range);
    }
    this.#freed = [];
  }

  /**
   * Cuts the file. The log learns the new length first, lest a replay takes the file for a truncated one (2.3.1.1).
   */
  async cut(fileBytes: number): Promise<void> {
    const { file } = this.image;
    if (fileBytes >= file.length) return;
    await this.#settling.run(async () => {
      await this.#commit({});
      await this.log.commit([], { fileBytes });
      await file.truncate(fileBytes);
      await file.sync();
      this.#space?.resize(fileBytes);
    });
  }

  /** Commits and marks the file clean. */
  end(): Promise<void> {
    return this.#settling.run(async () => {
      await this.#commit({});
      if (!this.log.begun) return;
      // What the commit applied becomes stable before the log that could repeat it is given up.
      await this.image.file.sync();
      await this.log.end();
    });
  }
}
