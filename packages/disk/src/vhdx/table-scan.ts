/** Walking over the whole table, page by page, past pages of zeros. */
import type { Buffer } from 'node:buffer';
import type { SignalOptions } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import {
  type BatEntry,
  bitmapBlockBytes,
  bitmapState,
  entryBytes,
  hasContent,
  readEntry,
} from './block-table.ts';
import type { VhdxImage } from './image.ts';
import { pageBytes } from './page-cache.ts';
import { SpaceMap } from './space-map.ts';

export interface ScannedEntry {
  readonly index: number;
  /** Undefined for a sector bitmap entry. */
  readonly block: number | undefined;
  readonly entry: BatEntry;
  /** Where the entry itself lies. */
  readonly fileOffset: number;
}

/** Every entry that is not all zeros. Entries are not checked. Changes in memory are seen as far as the walk has not passed. */
export async function* scanTable(image: VhdxImage, options: SignalOptions): AsyncGenerator<ScannedEntry> {
  const { layout } = image;
  for (let index = 0; index < layout.entries; ) {
    options.signal?.throwIfAborted();
    const page = await image.tablePage(index, options);
    const inPage = (image.entryOffset(index) - page.fileOffset) / entryBytes;
    const end = Math.min(layout.entries, index + pageBytes / entryBytes - inPage);
    if (!page.isZero) yield* pageEntries(image, page.bytes, index, end, inPage);
    index = end;
  }
}

function* pageEntries(
  image: VhdxImage,
  bytes: Buffer,
  first: number,
  end: number,
  inPage: number,
): Generator<ScannedEntry> {
  for (let index = first; index < end; index += 1) {
    const at = (inPage + index - first) * entryBytes;
    if (bytes.readUInt32LE(at) === 0 && bytes.readUInt32LE(at + 4) === 0) continue;
    const block = image.layout.blockOfIndex(index);
    yield { index, block, entry: readEntry(bytes, at), fileOffset: image.entryOffset(index) };
  }
}

/** Bytes of file that an entry holds, 0 when it holds none. */
export function entryContentBytes(image: VhdxImage, scanned: ScannedEntry): number {
  if (scanned.block === undefined) return scanned.entry.state === bitmapState.present ? bitmapBlockBytes : 0;
  return hasContent(scanned.entry) ? image.layout.blockBytes : 0;
}

export interface MappedSpace {
  readonly space: SpaceMap;
  /** Entries that name a place although their state has none. */
  readonly strays: readonly ScannedEntry[];
}

/**
 * What the file's MiBs are used for. Needed before the first write: writing to a block that shares its place would
 * change another one.
 *
 * @throws disk.corrupt; disk.truncated
 */
export async function mapSpace(image: VhdxImage, options: SignalOptions): Promise<MappedSpace> {
  const space = new SpaceMap(image.file.length);
  const strays: ScannedEntry[] = [];
  for (const range of image.structure.reserved) space.take(range);
  for await (const scanned of scanTable(image, options)) {
    const { block, entry } = scanned;
    checkScanned(image, scanned);
    const length = entryContentBytes(image, scanned);
    if (length === 0) {
      if (entry.fileOffset !== 0) strays.push(scanned);
    } else if (!space.take({ offset: entry.fileOffset, length })) {
      const name = block === undefined ? 'a sector bitmap' : `block ${block}`;
      const what = `${name} shares its place in the file with another structure`;
      throw diskErrors.corrupt({ path: image.path, what });
    }
  }
  return { space, strays };
}

/** @throws disk.corrupt; disk.truncated */
export function checkScanned(image: VhdxImage, { block, entry, index }: ScannedEntry): void {
  if (block !== undefined) image.checkPayload(block, entry);
  else image.checkBitmapBlock(Math.floor(index / (image.layout.chunkRatio + 1)), entry);
}
