/** A segment that stays in the store: its pages are read when they are asked for. */
import type { RepositoryKeys } from '../crypto/keys.ts';
import { headerBytes } from '../crypto/sealer.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import { idBytes } from '../pack/blob.ts';
import { mayHold } from './bloom-filter.ts';
import type { PageCache } from './page-cache.ts';
import { type BlobPlace, hasId, readPlace, recordBytes } from './record.ts';
import {
  fenceBytes,
  headBytes,
  type OpenedSegment,
  openChunk,
  openPage,
  openSegmentHead,
  pageEntries,
  pageRange,
} from './segment-format.ts';

export interface PlacedRecord extends BlobPlace {
  /** The record's number in the segment. */
  readonly ordinal: number;
}

const headGuess = 1024;

export class PagedSegment {
  readonly name: string;
  readonly opened: OpenedSegment;
  /** The names of its packs, 32 bytes each. */
  readonly packs: Buffer;
  readonly #store: ObjectStore;
  readonly #cache: PageCache;
  readonly #fences: Buffer;
  #filter: Buffer | undefined;

  private constructor(
    name: string,
    store: ObjectStore,
    cache: PageCache,
    opened: OpenedSegment,
    packs: Buffer,
    fences: Buffer,
  ) {
    this.name = name;
    this.#store = store;
    this.#cache = cache;
    this.opened = opened;
    this.packs = packs;
    this.#fences = fences;
  }

  /** @throws repository.object-missing, repository.object-damaged */
  static async open(
    store: ObjectStore,
    keys: RepositoryKeys,
    cache: PageCache,
    name: string,
    sizeBytes: number,
    signal?: AbortSignal,
  ): Promise<PagedSegment> {
    let head = await store.read(name, { offset: 0, length: headGuess }, signal);
    const needed = headBytes(name, head.subarray(0, headerBytes + 4));
    if (needed > head.length) head = await store.read(name, { offset: 0, length: needed }, signal);
    const opened = openSegmentHead(name, keys, head.subarray(0, needed), sizeBytes);
    const { tableAt, fencesAt, filterAt } = opened.layout;
    const both = await store.read(name, { offset: tableAt, length: filterAt - tableAt }, signal);
    const packs = openChunk(name, opened, 2, both.subarray(0, fencesAt - tableAt));
    const fences = openChunk(name, opened, 3, both.subarray(fencesAt - tableAt));
    return new PagedSegment(name, store, cache, opened, packs, fences);
  }

  /** Reads the filter, which spares looking for what is not there. */
  async loadFilter(signal?: AbortSignal): Promise<void> {
    const { filterAt, pagesAt } = this.opened.layout;
    const sealed = await this.#store.read(
      this.name,
      { offset: filterAt, length: pagesAt - filterAt },
      signal,
    );
    this.#filter ??= openChunk(this.name, this.opened, 4, sealed);
  }

  get hasFilter(): boolean {
    return this.#filter !== undefined;
  }

  /** False: it is certainly not here. */
  mayHold(id: Uint8Array): boolean {
    return this.#filter === undefined || mayHold(this.#filter, id);
  }

  async places(id: Uint8Array, signal?: AbortSignal): Promise<PlacedRecord[]> {
    const found: PlacedRecord[] = [];
    for (let page = this.#firstPage(id); page < this.opened.layout.pages; page += 1) {
      if (this.#compareFence(page, id) > 0) break;
      collect(await this.page(page, signal), id, page * pageEntries, found);
    }
    return found;
  }

  async page(page: number, signal?: AbortSignal): Promise<Buffer> {
    const key = `${this.name}:${page}`;
    const cached = this.#cache.get(key);
    if (cached) return cached;
    const sealed = await this.#store.read(this.name, pageRange(this.opened.layout, page), signal);
    const plain = openPage(this.name, this.opened, page, sealed);
    this.#cache.set(key, plain);
    return plain;
  }

  /** The last page whose first id is below `id`, for entries of one id may straddle pages. */
  #firstPage(id: Uint8Array): number {
    let low = 0;
    let high = this.opened.layout.pages;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compareFence(middle, id) < 0) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  #compareFence(page: number, id: Uint8Array): number {
    // compare(target, target range, source range): the fence against the id's leading bytes.
    return this.#fences.compare(id, 0, fenceBytes, page * fenceBytes, (page + 1) * fenceBytes);
  }
}

function collect(page: Buffer, id: Uint8Array, firstOrdinal: number, found: PlacedRecord[]): void {
  let low = 0;
  let high = page.length / recordBytes;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = middle * recordBytes;
    if (page.compare(id, 0, idBytes, at, at + idBytes) < 0) low = middle + 1;
    else high = middle;
  }
  for (let at = low * recordBytes; at < page.length && hasId(page, at, id); at += recordBytes) {
    found.push({ ...readPlace(page, at), ordinal: firstOrdinal + at / recordBytes });
  }
}
