/**
 * Which blob lies where. Small segments are held in one table in memory; large ones stay in the store behind their
 * filters and are read by page. So the index of a repository of any size needs little memory, and opening it
 * costs the size of what is small.
 */
import type { RepositoryKeys } from '../crypto/keys.ts';
import { repositoryErrors } from '../errors.ts';
import { listAll, type ObjectEntry, type ObjectStore } from '../object-store/object-store.ts';
import type { RepositoryState } from '../state/state.ts';
import { PackTable } from './pack-table.ts';
import { PageCache } from './page-cache.ts';
import { PagedSegment } from './paged-segment.ts';
import { readPlace, recordBytes } from './record.ts';
import { RecordTable } from './record-table.ts';
import { openWholeSegment, segmentName } from './segment-format.ts';

/** Where a blob lies, by the name of its pack. */
export interface BlobLocation {
  /** Number of the pack in `index.packs`. */
  readonly pack: number;
  readonly offset: number;
  readonly word: number;
  readonly isDoomed: boolean;
}

const pageCacheBytes = 24 * 2 ** 20;
/** A segment up to this size is read whole... */
const wholeSegmentBytes = 2 ** 20;
/** ...until the table in memory has so many entries (23 MB). */
const tableEntriesLimit = 2 ** 19;

export class RepositoryIndex {
  readonly #store: ObjectStore;
  readonly #keys: RepositoryKeys;
  packs = new PackTable();
  #table = new RecordTable();
  #paged = new Map<string, { segment: PagedSegment; firstPack: number }>();
  /** Names of all segments taken in, whole or paged. */
  #known = new Set<string>();
  readonly #cache = new PageCache(pageCacheBytes);
  /** Segments that could not be opened, with the reason; `check` reports them. */
  readonly damaged = new Map<string, Error>();

  constructor(store: ObjectStore, keys: RepositoryKeys) {
    this.#store = store;
    this.#keys = keys;
  }

  get pagedSegments(): readonly PagedSegment[] {
    return [...this.#paged.values()].map((held) => held.segment);
  }

  /** Takes in the segments that count now and were not known, and drops those that no longer count. */
  async refresh(state: RepositoryState, signal?: AbortSignal): Promise<void> {
    const listed = await listAll(this.#store, 'index/', signal);
    const gone = new Set(state.superseded.map(segmentName));
    const present = new Map(listed.filter(({ name }) => !gone.has(name)).map((entry) => [entry.name, entry]));
    if ([...this.#known].some((name) => !present.has(name))) this.#reset();
    const chosen = new Set(state.segments.map(segmentName));
    for (const entry of present.values()) {
      if (!this.#known.has(entry.name)) await this.#takeIn(entry, chosen.has(entry.name), signal);
    }
    for (const name of chosen) {
      if (!present.has(name)) this.damaged.set(name, repositoryErrors['object-missing']({ name }));
    }
    this.packs.markDoomed(new Set(state.doomed.flatMap((set) => set.packs)));
  }

  #reset(): void {
    this.packs = new PackTable();
    this.#table = new RecordTable();
    this.#paged = new Map();
    this.#known = new Set();
    this.damaged.clear();
    this.#cache.clear();
  }

  async #takeIn(entry: ObjectEntry, isChosen: boolean, signal?: AbortSignal): Promise<void> {
    const { name, sizeBytes } = entry;
    try {
      const isSmall = sizeBytes <= wholeSegmentBytes && this.#table.count < tableEntriesLimit;
      const counts = isSmall
        ? this.#addWhole(name, await this.#store.read(name, undefined, signal), isChosen)
        : await this.#addPaged(name, sizeBytes, isChosen, signal);
      if (counts) this.#known.add(name);
      this.damaged.delete(name);
    } catch (cause) {
      // A damaged segment hides blobs but harms no others: writers store them again, readers name what they miss.
      if (!(cause instanceof Error) || !('code' in cause)) throw cause;
      if (cause.code === repositoryErrors.store.code) throw cause;
      this.damaged.set(name, cause);
    }
  }

  /** False for what maintenance wrote without (or not yet) having its state through: it does not count. */
  #addWhole(name: string, bytes: Buffer, isChosen: boolean): boolean {
    const { records, packs, layout } = openWholeSegment(name, this.#keys, bytes);
    if (layout.merged && !isChosen) return false;
    this.addRecords(records, packs);
    return true;
  }

  async #addPaged(
    name: string,
    sizeBytes: number,
    isChosen: boolean,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const segment = await PagedSegment.open(this.#store, this.#keys, this.#cache, name, sizeBytes, signal);
    if (segment.opened.layout.merged && !isChosen) return false;
    this.#paged.set(name, { segment, firstPack: this.packs.add(segment.packs) });
    return true;
  }

  /** Takes in records whose pack numbers are places in `packs`. */
  addRecords(records: Buffer, packs: Buffer): void {
    const firstPack = this.packs.add(packs);
    for (let at = 0; at < records.length; at += recordBytes) {
      const place = readPlace(records, at);
      this.#table.add(records.subarray(at, at + 32), { ...place, pack: place.pack + firstPack });
    }
  }

  /** A segment that this process just stored: known from now on without reading it back. */
  async adopt(hash: string, sizeBytes: number, records: Buffer, packs: Buffer): Promise<void> {
    const name = segmentName(hash);
    if (this.#known.has(name)) return;
    const isSmall = sizeBytes <= wholeSegmentBytes && this.#table.count < tableEntriesLimit;
    if (isSmall) this.addRecords(records, packs);
    else await this.#addPaged(name, sizeBytes, false);
    this.#known.add(name);
  }

  /** All places of a blob. */
  async locations(id: Uint8Array, signal?: AbortSignal): Promise<BlobLocation[]> {
    const found: BlobLocation[] = [];
    for (const place of this.#table.places(id)) found.push(this.#located(place, 0));
    for (const { segment, firstPack } of this.#paged.values()) {
      if (!segment.mayHold(id)) continue;
      for (const place of await segment.places(id, signal)) found.push(this.#located(place, firstPack));
    }
    return found;
  }

  /** The best place of a blob: one that is not doomed if there is any. */
  async find(id: Uint8Array, signal?: AbortSignal): Promise<BlobLocation | undefined> {
    const quick = this.findInMemory(id);
    if (quick) return quick;
    const all = await this.locations(id, signal);
    return all.find((location) => !location.isDoomed) ?? all[0];
  }

  /** A place that is not doomed, if the table in memory knows one. */
  findInMemory(id: Uint8Array): BlobLocation | undefined {
    for (const place of this.#table.places(id)) {
      if (!this.packs.isDoomed(place.pack)) return this.#located(place, 0);
    }
    return undefined;
  }

  /** Whether paged segments might hold the blob; false settles a look-up without waiting. */
  mayBePaged(id: Uint8Array): boolean {
    for (const { segment } of this.#paged.values()) if (segment.mayHold(id)) return true;
    return false;
  }

  /** Before many look-ups of what is mostly not there. */
  async loadFilters(signal?: AbortSignal): Promise<void> {
    for (const { segment } of this.#paged.values()) if (!segment.hasFilter) await segment.loadFilter(signal);
  }

  /** Every record, page by page: `visit` gets sorted or unsorted records and the number of their first pack. */
  async visitRecords(
    visit: (records: Buffer, firstPack: number) => void | Promise<void>,
    signal?: AbortSignal,
  ): Promise<void> {
    await visit(this.#table.records, 0);
    for (const { segment, firstPack } of this.#paged.values()) {
      for (let page = 0; page < segment.opened.layout.pages; page += 1) {
        await visit(await segment.page(page, signal), firstPack);
      }
    }
  }

  /** Names of the segments that count and could be read. */
  get segmentNames(): string[] {
    return [...this.#known];
  }

  #located(place: { pack: number; offset: number; word: number }, firstPack: number): BlobLocation {
    const pack = place.pack + firstPack;
    return { pack, offset: place.offset, word: place.word, isDoomed: this.packs.isDoomed(pack) };
  }
}
