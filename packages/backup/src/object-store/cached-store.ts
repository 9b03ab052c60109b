/**
 * Keeps the index of a far repository in a local directory. Segments are read page by page, which is a request each where the
 * store is far; they never change, so a copy stays good. It is not trusted more than the store: every page is sealed.
 */
import { isCorralError } from '@corral/core/errors';
import type { DirectoryStore } from './directory-store.ts';
import type { ObjectEntry, ObjectStore, PutOptions, ReadRange } from './object-store.ts';

export class CachedStore implements ObjectStore {
  readonly place: string;
  readonly canRetain: boolean;
  readonly #store: ObjectStore;
  readonly #cache: DirectoryStore;
  #isCacheGone = false;
  readonly #fetching = new Map<string, Promise<void>>();

  /** `cache` is a directory for this repository alone; it may be deleted at any time. */
  constructor(store: ObjectStore, cache: DirectoryStore) {
    this.#store = store;
    this.#cache = cache;
    this.place = store.place;
    this.canRetain = store.canRetain;
  }

  async put(name: string, content: Uint8Array, options?: PutOptions): Promise<'stored' | 'exists'> {
    return await this.#store.put(name, content, options);
  }

  async read(name: string, range?: ReadRange, signal?: AbortSignal): Promise<Buffer> {
    // Whole reads go to the store: they are what `check` proves.
    if (!range || !name.startsWith('index/')) return await this.#store.read(name, range, signal);
    const cached = await this.#readCached(name, range);
    if (cached) return cached;
    if (!this.#isCacheGone) await this.#fetch(name);
    return (await this.#readCached(name, range)) ?? (await this.#store.read(name, range, signal));
  }

  async #readCached(name: string, range: ReadRange): Promise<Buffer | undefined> {
    if (this.#isCacheGone) return undefined;
    return await this.#cache.read(name, range).catch((cause: unknown) => this.#passGone(cause));
  }

  /** Somebody deleted the cache, or this file of it. */
  #passGone(cause: unknown): undefined {
    this.#isCacheGone ||= isCorralError(cause, 'repository.place-changed');
    if (!this.#isCacheGone && !isCorralError(cause, 'repository.object-missing')) throw cause;
  }

  async #fetch(name: string): Promise<void> {
    const fetching = this.#fetching.get(name) ?? this.#fetchNow(name);
    this.#fetching.set(name, fetching);
    await fetching.finally(() => this.#fetching.delete(name));
  }

  async #fetchNow(name: string): Promise<void> {
    const content = await this.#store.read(name);
    await this.#cache.put(name, content).catch((cause: unknown) => this.#passGone(cause));
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectEntry> {
    yield* this.#store.list(prefix, signal);
  }

  async listForeign(limit: number, signal?: AbortSignal): Promise<string[]> {
    return await this.#store.listForeign(limit, signal);
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    await this.#store.delete(name, signal);
    if (name.startsWith('index/')) await this.#cache.delete(name);
  }

  /** Segments that other hosts deleted leave the cache too. */
  async tidy(signal?: AbortSignal): Promise<void> {
    await this.#store.tidy?.(signal);
    const there = new Set<string>();
    for await (const { name } of this.#store.list('index/', signal)) there.add(name);
    for await (const { name } of this.#cache.list('index/', signal)) {
      if (!there.has(name)) await this.#cache.delete(name);
    }
    await this.#cache.tidy();
  }

  async now(signal?: AbortSignal): Promise<number> {
    return await this.#store.now(signal);
  }

  async retain(name: string, until: Date, signal?: AbortSignal): Promise<void> {
    await this.#store.retain(name, until, signal);
  }

  async close(): Promise<void> {
    await Promise.all([this.#store.close(), this.#cache.close()]);
  }
}
