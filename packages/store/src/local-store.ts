/**
 * A store inside this process: its state in memory, made to last by a journal.
 *
 * A change is evaluated at once on the state as it will be (`#ahead`), and written together with all others that
 * came meanwhile: one flush for many. It shows in reads and watches, and its caller hears of it, only when it is
 * written (`#written`). When a write fails, everything that was evaluated on it fails with it.
 */
import { randomUUID } from 'node:crypto';
import { ChangeSignal } from './change-signal.ts';
import {
  checkKey,
  checkLeaseTime,
  checkList,
  checkPrefix,
  checkRevision,
  checkTransaction,
} from './check-transaction.ts';
import type { Clock } from './clock.ts';
import { storeErrors } from './errors.ts';
import { evaluateTransaction } from './evaluate-transaction.ts';
import type { Journal } from './journal.ts';
import { LeaseTable } from './lease-table.ts';
import type {
  CallOptions,
  Lease,
  ListOptions,
  ListResult,
  Store,
  StoreEntry,
  StoreEvent,
  Transaction,
  TransactionResult,
  WatchBatch,
  WatchOptions,
} from './store.ts';
import { type StateChange, type StateSnapshot, StoreState } from './store-state.ts';

/** Revisions read at a time by a watch that is behind. */
const watchChunk = 64;

/** When keys of an ended lease could not be deleted, the next try. */
const leaseRetryMs = 1_000;

/** Waits in the queue of the journal. */
interface Staged {
  /** Null: nothing to write, but what was staged before it must be written before it is true. */
  readonly change: StateChange | null;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class LocalStore implements Store {
  readonly #journal: Journal;
  readonly #written: StoreState;
  #ahead: StoreState;
  readonly #leases: LeaseTable;
  readonly #ending = new Map<string, Promise<void>>();
  readonly #changed = new ChangeSignal();
  #queue: Staged[] = [];
  #writing: Promise<void> | null = null;
  #closed = false;

  /** Leases of the snapshot get their whole time again, as etcd's do after a restart. */
  constructor(snapshot: StateSnapshot, journal: Journal, clock: Clock) {
    this.#journal = journal;
    this.#written = new StoreState(snapshot);
    this.#ahead = this.#written.clone();
    this.#leases = new LeaseTable(clock, () => this.#endDueLeases());
    for (const { id, ttlMs } of snapshot.leases) this.#leases.start(id, ttlMs);
  }

  async get(key: string, options: CallOptions = {}): Promise<StoreEntry | null> {
    checkKey(key);
    this.#enter(options.signal);
    return this.#written.get(key);
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    checkList(prefix, options);
    this.#enter(options.signal);
    const { after = null, limit = Number.POSITIVE_INFINITY } = options;
    const found = this.#written.entries(prefix, after, limit + 1);
    const more = found.length > limit;
    return { entries: more ? found.slice(0, limit) : found, revision: this.#written.revision, more };
  }

  async transact(transaction: Transaction, options: CallOptions = {}): Promise<TransactionResult> {
    checkTransaction(transaction);
    this.#enter(options.signal);
    const ahead = this.#ahead;
    const reader = {
      get: (key: string) => ahead.get(key),
      keys: (prefix: string) => ahead.keys(prefix),
      hasLease: (id: string) => this.#leases.has(id),
    };
    const { succeeded, events, entries } = evaluateTransaction(transaction, reader, ahead.revision + 1);
    const staged = events.length > 0 ? this.#commit(events, null) : this.#stage(null);
    const { revision } = this.#ahead;
    await unlessAborted(staged, options.signal);
    return { succeeded, revision, changes: events.length, entries };
  }

  async *watch(prefix: string, options: WatchOptions): AsyncGenerator<WatchBatch, never> {
    checkPrefix(prefix);
    const { signal } = options;
    let cursor = checkRevision(options.afterRevision);
    for (;;) {
      this.#enter(signal);
      this.#checkHistory(prefix, cursor);
      const { revision } = this.#written;
      const batches = this.#written.history(prefix, cursor, watchChunk);
      for (const batch of batches) {
        cursor = batch.revision;
        yield batch;
        this.#enter(signal);
      }
      if (batches.length > 0) continue;
      cursor = revision;
      await this.#changed.wait(signal);
    }
  }

  async grantLease(ttlMs: number, options: CallOptions = {}): Promise<Lease> {
    checkLeaseTime(ttlMs);
    this.#enter(options.signal);
    const id = randomUUID();
    await unlessAborted(this.#stage({ type: 'grant', leaseId: id, ttlMs }), options.signal);
    this.#leases.start(id, ttlMs);
    const revoke = async (call: CallOptions = {}): Promise<void> => {
      this.#enter(call.signal);
      if (this.#leases.has(id)) this.#leases.end(id);
      await unlessAborted(this.#endLease(id), call.signal);
    };
    return {
      id,
      ttlMs,
      remainingMs: () => this.#leases.remainingMs(id),
      keepAlive: async (call = {}) => {
        this.#enter(call.signal);
        if (!this.#leases.renew(id)) throw storeErrors['lease-gone']({ leaseId: id });
      },
      revoke,
      [Symbol.asyncDispose]: () => (this.#closed ? Promise.resolve() : revoke()),
    };
  }

  async revision(options: CallOptions = {}): Promise<number> {
    this.#enter(options.signal);
    return this.#written.revision;
  }

  async compact(revision: number, options: CallOptions = {}): Promise<void> {
    checkRevision(revision);
    this.#enter(options.signal);
    const { revision: present, compactedRevision } = this.#written;
    if (revision > present) throw storeErrors['future-revision']({ revision, present });
    if (revision > compactedRevision)
      await unlessAborted(this.#stage({ type: 'compact', revision }), options.signal);
  }

  /** What was begun is written first. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#leases.close();
    this.#changed.notify();
    await this.#writing;
    await this.#journal.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What holds at every entrance: open, not aborted, and no lease past its end counts. */
  #enter(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#closed) throw storeErrors.closed();
    this.#endDueLeases();
  }

  #checkHistory(prefix: string, afterRevision: number): void {
    const { revision: present, compactedRevision } = this.#written;
    if (afterRevision < compactedRevision) {
      throw storeErrors.compacted({ prefix, afterRevision, compactedRevision });
    }
    if (afterRevision > present) throw storeErrors['future-revision']({ revision: afterRevision, present });
  }

  #commit(events: readonly StoreEvent[], endedLease: string | null): Promise<void> {
    const revision = this.#ahead.revision + (events.length > 0 ? 1 : 0);
    return this.#stage({ type: 'commit', revision, events, endedLease });
  }

  /** Resolves when it is written. */
  #stage(change: StateChange | null): Promise<void> {
    if (change) this.#ahead.apply(change);
    else if (!this.#writing) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#queue.push({ change, resolve, reject });
    this.#writing ??= this.#write();
    return promise;
  }

  async #write(): Promise<void> {
    await null; // what comes in the same turn of the event loop shares the flush
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      this.#queue = [];
      const changes = batch.flatMap(({ change }) => change ?? []);
      try {
        if (changes.length > 0) await this.#journal.write(changes);
      } catch (e) {
        this.#ahead = this.#written.clone();
        for (const { reject } of [...batch, ...this.#queue.splice(0)]) reject(e);
        continue;
      }
      for (const change of changes) this.#written.apply(change);
      for (const { resolve } of batch) resolve();
      this.#changed.notify();
    }
    this.#writing = null;
  }

  #endLease(id: string): Promise<void> {
    const ending = this.#ending.get(id) ?? this.#deleteLease(id);
    this.#ending.set(id, ending);
    return ending;
  }

  async #deleteLease(id: string): Promise<void> {
    if (!this.#leases.knows(id)) return;
    const modRevision = this.#ahead.revision + 1;
    const keys = this.#ahead.keysOfLease(id);
    try {
      await this.#commit(
        keys.map((key) => ({ type: 'delete', key, modRevision })),
        id,
      );
      this.#leases.remove(id);
    } finally {
      this.#ending.delete(id);
    }
  }

  #endDueLeases(): void {
    for (const id of this.#leases.due()) {
      if (this.#ending.has(id)) continue;
      this.#endLease(id).catch(() => {
        // The store could not write (a full disk, say). Whoever changes something meets the same error; nobody
        // waits here, so this only tries again.
        if (!this.#closed) this.#leases.postpone(leaseRetryMs);
      });
    }
  }
}

/** Stops waiting when the signal aborts; what is waited for goes on. */
async function unlessAborted(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return work;
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
