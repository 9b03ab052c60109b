/** What every operation on an open repository shares: store, keys, index, worker threads, the state last read. */
import type { RepositoryKeys } from './crypto/keys.ts';
import { repositoryErrors } from './errors.ts';
import type { RepositoryConfig } from './format/config.ts';
import { RepositoryIndex } from './index/repository-index.ts';
import type { ObjectStore } from './object-store/object-store.ts';
import { type BlobLocator, BlobReader, type PackPlace } from './pack/blob-reader.ts';
import { WorkerPool } from './pack/worker-pool.ts';
import { CachedBlocks } from './point/cached-blocks.ts';
import { Session, type SessionContent } from './session/session.ts';
import { firstState, type RepositoryState, readState } from './state/state.ts';
import { CachedNodes } from './tree/cached-nodes.ts';
import type { NodeSource } from './tree/node-source.ts';

export interface ContextParts {
  readonly store: ObjectStore;
  readonly keys: RepositoryKeys;
  readonly config: RepositoryConfig;
  /** Nothing is ever deleted through this connection. */
  readonly appendOnly?: boolean;
  readonly workers?: number | undefined;
}

export class RepositoryContext implements BlobLocator {
  readonly store: ObjectStore;
  readonly keys: RepositoryKeys;
  readonly config: RepositoryConfig;
  readonly index: RepositoryIndex;
  readonly pool: WorkerPool;
  readonly reader: BlobReader;
  /** Nodes through a cache. */
  readonly nodes: NodeSource;
  /** Single blocks through a cache, for readers that jump. */
  readonly blocks: CachedBlocks;
  state: RepositoryState = firstState;
  /** Why the newest state cannot be read, if so: then this repository is for reading only. */
  stateDamage: Error | null = null;
  readonly #appendOnly: boolean;
  readonly #workers: number | undefined;
  #refreshing: Promise<void> = Promise.resolve();

  constructor(parts: ContextParts) {
    this.store = parts.store;
    this.keys = parts.keys;
    this.config = parts.config;
    this.#appendOnly = parts.appendOnly ?? false;
    this.#workers = parts.workers;
    this.index = new RepositoryIndex(parts.store, parts.keys);
    this.pool = new WorkerPool(parts.keys, parts.workers);
    this.reader = new BlobReader(parts.store, parts.keys, this);
    this.nodes = new CachedNodes(this.reader);
    this.blocks = new CachedBlocks(this.reader);
  }

  get isAppendOnly(): boolean {
    return this.#appendOnly || this.state.policy.appendOnly;
  }

  /** @throws repository.append-only */
  throwIfAppendOnly(): void {
    if (this.isAppendOnly) throw repositoryErrors['append-only']({ place: this.store.place });
  }

  /** Reads the state, then the segments that count by it. One at a time: the index changes in steps. */
  async refresh(signal?: AbortSignal): Promise<void> {
    const turn = this.#refreshing.then(async () => {
      const { state, damage } = await readState(this.store, this.keys, signal);
      this.state = state;
      this.stateDamage = damage;
      await this.index.refresh(state, damage !== null, signal);
    });
    // Whoever called gets the failure; the next refresh stands alone.
    this.#refreshing = turn.catch(() => undefined);
    await turn;
  }

  async locate(id: Uint8Array, signal?: AbortSignal): Promise<PackPlace[]> {
    const { index } = this;
    const all = await index.locations(id, signal);
    const bestFirst = all.toSorted((a, b) => Number(a.isDoomed) - Number(b.isDoomed));
    return bestFirst.map(({ pack, offset, word }) => ({ pack: index.packs.hash(pack), offset, word }));
  }

  /** Begins a session by what was last known, then takes a fresh look (docs/formats/repository.md, "A backup"). */
  async beginSession(
    purpose: SessionContent['purpose'],
    pins: SessionContent['pins'],
    signal?: AbortSignal,
    id?: string,
  ): Promise<Session> {
    const what = { purpose, pins, state: this.state.number };
    if (purpose !== 'read') this.throwIfStateDamaged();
    const session = await Session.begin(this.store, this.keys, what, this.isAppendOnly, signal, id);
    try {
      await this.refresh(signal);
      if (purpose !== 'read') this.throwIfStateDamaged();
      return session;
    } catch (cause) {
      await session.end();
      throw cause;
    }
  }

  /** @throws repository.state-damaged */
  throwIfStateDamaged(): void {
    const { stateDamage } = this;
    if (stateDamage)
      throw repositoryErrors['state-damaged']({ place: this.store.place }, { cause: stateDamage });
  }

  /** A second look on the same repository with nothing cached, for whoever must not trust what was read before. */
  async fresh(signal?: AbortSignal): Promise<RepositoryContext> {
    const { store, keys, config } = this;
    const context = new RepositoryContext({
      store,
      keys,
      config,
      appendOnly: this.#appendOnly,
      workers: this.#workers,
    });
    await context.refresh(signal);
    return context;
  }

  async close(): Promise<void> {
    await this.pool.close();
    await this.store.close();
  }
}
