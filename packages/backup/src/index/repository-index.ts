/**
 * Which blob lies where. Small segments are held in one table in memory; large ones stay in the store behind their
 * filters and are read by page. So the index of a repository of any size needs little memory, and opening it
 * costs the size of what is small.
 */
import { type RepositoryKeys, uuidText } from '../crypto/keys.ts';
import { sessionOfHeader } from '../crypto/sealer.ts';
import { isUnreachable, repositoryErrors } from '../errors.ts';
import { listAll, type ObjectEntry, type ObjectStore } from '../object-store/object-store.ts';
import { idBytes } from '../pack/blob.ts';
import type { RepositoryState } from '../state/state.ts';
import { PackTable } from './pack-table.ts';
import { PageCache } from './page-cache.ts';
import { PagedSegment, type PlacedRecord } from './paged-segment.ts';
import { type BlobPlace, readPlace, recordBytes } from './record.ts';
import { RecordTable } from './record-table.ts';
import { openWholeSegment, pageEntries, type SegmentLayout, segmentName } from './segment-format.ts';

/** Where a blob lies, by the name of its pack. */
export interface BlobLocation {
  /** Number of the pack in `index.packs`. */
  readonly pack: number;
  readonly offset: number;
  readonly word: number;
  /** Not to be relied on by new points; good to read. */
  readonly isDoomed: boolean;
  /** Number of the record in the index, until the next refresh. */
  readonly record: number;
}

interface HeldSegment {
  readonly segment: PagedSegment;
  readonly firstPack: number;
  readonly firstRecord: number;
}

/** Records of paged segments are numbered from here on, above those of the table. */
const firstPagedRecord = 2 ** 20;
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
  #paged = new Map<string, HeldSegment>();
  /** Which packs a segment names, and which session wrote it; null for merged ones. */
  #segmentPacks: { name: string; session: string | null; firstPack: number; count: number }[] = [];
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

  /**
   * Takes in the segments that count now and were not known, and drops those that no longer count.
   * `countAll`: the state could not be read, so every segment counts; good for reading only.
   */
  async refresh(state: RepositoryState, countAll = false, signal?: AbortSignal): Promise<void> {
    const listed = await listAll(this.#store, 'index/', signal);
    const gone = new Set(state.superseded.map(segmentName));
    const present = new Map(listed.filter(({ name }) => !gone.has(name)).map((entry) => [entry.name, entry]));
    if ([...this.#known].some((name) => !present.has(name))) this.#reset();
    const chosen = new Set(state.segments.map(segmentName));
    for (const entry of present.values()) {
      if (!this.#known.has(entry.name)) await this.#takeIn(entry, countAll || chosen.has(entry.name), signal);
    }
    for (const name of chosen) {
      if (!present.has(name)) this.damaged.set(name, repositoryErrors['object-missing']({ name }));
    }
    this.#markDoomed(state);
  }

  /** Doomed packs, and all that a revoked session lists by itself: it may list packs that are long gone. */
  #markDoomed(state: RepositoryState): void {
    this.packs.markDoomed(new Set(state.doomed.flatMap((set) => set.packs)));
    const revoked = new Set(state.revoked);
    for (const { session, firstPack, count } of this.#segmentPacks) {
      if (session !== null && revoked.has(session)) this.packs.markRange(firstPack, count);
    }
  }

  #reset(): void {
    this.packs = new PackTable();
    this.#table = new RecordTable();
    this.#paged = new Map();
    this.#known = new Set();
    this.#segmentPacks = [];
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
      if (isUnreachable(cause)) throw cause;
      this.damaged.set(name, cause);
    }
  }

  /** False for what maintenance wrote without (or not yet) having its state through: it does not count. */
  #addWhole(name: string, bytes: Buffer, isChosen: boolean): boolean {
    const { records, packs, layout, sealer } = openWholeSegment(name, this.#keys, bytes);
    if (layout.merged && !isChosen) return false;
    this.#notePacks(name, this.#addRecords(records, packs), layout, sealer.header);
    return true;
  }

  async #addPaged(
    name: string,
    sizeBytes: number,
    isChosen: boolean,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const segment = await PagedSegment.open(this.#store, this.#keys, this.#cache, name, sizeBytes, signal);
    const { layout, sealer } = segment.opened;
    if (layout.merged && !isChosen) return false;
    const last = [...this.#paged.values()].at(-1);
    const firstRecord = last ? last.firstRecord + last.segment.opened.layout.entries : firstPagedRecord;
    const firstPack = this.packs.add(segment.packs);
    this.#paged.set(name, { segment, firstPack, firstRecord });
    this.#notePacks(name, firstPack, layout, sealer.header);
    return true;
  }

  #notePacks(name: string, firstPack: number, layout: SegmentLayout, header: Buffer): void {
    const session = layout.merged ? null : uuidText(sessionOfHeader(header));
    this.#segmentPacks.push({ name, session, firstPack, count: layout.packs });
  }

  /** Takes in records whose pack numbers are places in `packs`; says the number of the first. */
  #addRecords(records: Buffer, packs: Buffer): number {
    const firstPack = this.packs.add(packs);
    for (let at = 0; at < records.length; at += recordBytes) {
      const place = readPlace(records, at);
      this.#table.add(records.subarray(at, at + idBytes), { ...place, pack: place.pack + firstPack });
    }
    return firstPack;
  }

  /** A segment that this process just stored: known from now on without reading it back. */
  async adopt(
    session: string,
    hash: string,
    sizeBytes: number,
    records: Buffer,
    packs: Buffer,
  ): Promise<void> {
    const name = segmentName(hash);
    if (this.#known.has(name)) return;
    const isSmall = sizeBytes <= wholeSegmentBytes && this.#table.count < tableEntriesLimit;
    if (isSmall) {
      const firstPack = this.#addRecords(records, packs);
      this.#segmentPacks.push({ name, session, firstPack, count: packs.length / idBytes });
    } else await this.#addPaged(name, sizeBytes, false);
    this.#known.add(name);
  }

  /** All places of a blob. */
  async locations(id: Uint8Array, signal?: AbortSignal): Promise<BlobLocation[]> {
    const found: BlobLocation[] = [];
    for (const place of this.#table.places(id)) found.push(this.#located(place, 0, 0));
    for (const { segment, firstPack, firstRecord } of this.#paged.values()) {
      if (!segment.mayHold(id)) continue;
      for (const place of await segment.places(id, signal)) {
        found.push(this.#located(place, firstPack, firstRecord));
      }
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
      if (!this.packs.isDoomed(place.pack)) return this.#located(place, 0, 0);
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

  /** Above every record's number. */
  get recordsEnd(): number {
    const last = [...this.#paged.values()].at(-1);
    return last ? last.firstRecord + last.segment.opened.layout.entries : firstPagedRecord;
  }

  /** Every record in the order of their numbers. `place.pack` is a number in `packs`. */
  async visitRecords(
    visit: (record: number, place: BlobPlace, id: Buffer) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    visitPage(this.#table.records, 0, 0, visit);
    for (const { segment, firstPack, firstRecord } of this.#paged.values()) {
      for (let page = 0; page < segment.opened.layout.pages; page += 1) {
        visitPage(await segment.page(page, signal), firstRecord + page * pageEntries, firstPack, visit);
      }
    }
  }

  /** Names of segments that revoked sessions left: merging drops from them what is long gone. */
  segmentsOf(sessions: ReadonlySet<string>): string[] {
    const left = this.#segmentPacks.filter(({ session }) => session !== null && sessions.has(session));
    return left.map(({ name }) => name);
  }

  /** Names of the segments that count and name one of these packs. */
  segmentsNaming(packs: ReadonlySet<string>): string[] {
    const naming = new Set<string>();
    for (const { name, firstPack, count } of this.#segmentPacks) {
      for (let pack = firstPack; pack < firstPack + count; pack += 1) {
        if (packs.has(this.packs.hash(pack))) naming.add(name);
      }
    }
    return [...naming];
  }

  /** Names of the segments that count and could be read. */
  get segmentNames(): string[] {
    return [...this.#known];
  }

  #located(place: PlacedRecord, firstPack: number, firstRecord: number): BlobLocation {
    const pack = place.pack + firstPack;
    const { offset, word } = place;
    return { pack, offset, word, isDoomed: this.packs.isDoomed(pack), record: firstRecord + place.ordinal };
  }
}

function visitPage(
  page: Buffer,
  firstRecord: number,
  firstPack: number,
  visit: (record: number, place: BlobPlace, id: Buffer) => void,
): void {
  for (let at = 0; at < page.length; at += recordBytes) {
    const place = readPlace(page, at);
    const record = firstRecord + at / recordBytes;
    visit(record, { ...place, pack: place.pack + firstPack }, page.subarray(at, at + idBytes));
  }
}
