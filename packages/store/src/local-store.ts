/**
 * A store inside this process: leases, watches and checks over a ledger that keeps keys and their history.
 * Everything between two awaits is one step, so a transaction needs no further lock.
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

/** Keys, their history and the ids of leases. Synchronous; each change is atomic, or throws and changed nothing. */
export interface Ledger {
  readonly revision: number;
  /** Watches after an earlier revision are refused. */
  readonly compactedRevision: number;
  get(key: string): StoreEntry | null;
  /** Entries after `after` (null: from the first) in the order of keys, at most `limit` (null: all). */
  page(prefix: string, after: string | null, limit: number | null): readonly StoreEntry[];
  keysOfLease(leaseId: string): readonly string[];
  /** The next revisions after this one that touch the prefix, each complete, at most `limit`. */
  history(prefix: string, afterRevision: number, limit: number): readonly WatchBatch[];
  /** Stores the changes of the next revision, and the end of a lease with them. */
  commit(revision: number, events: readonly StoreEvent[], endedLease: string | null): void;
  compact(revision: number): void;
  leases(): readonly { readonly id: string; readonly ttlMs: number }[];
  addLease(id: string, ttlMs: number): void;
  close(): void;
}

/** Revisions read from the ledger at a time by a watch that is behind. */
const watchChunk = 64;

/** When keys of an ended lease could not be deleted, the next try. */
const leaseRetryMs = 1_000;

export class LocalStore implements Store {
  readonly #ledger: Ledger;
  readonly #leases: LeaseTable;
  readonly #changed = new ChangeSignal();
  #closed = false;

  /** Leases found in the ledger get their whole time again, as etcd's do after a restart. */
  constructor(ledger: Ledger, clock: Clock) {
    this.#ledger = ledger;
    this.#leases = new LeaseTable(clock, () => this.#onLeaseDue());
    for (const { id, ttlMs } of ledger.leases()) this.#leases.start(id, ttlMs);
  }

  async get(key: string, options: CallOptions = {}): Promise<StoreEntry | null> {
    checkKey(key);
    this.#enter(options.signal);
    return this.#ledger.get(key);
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    checkList(prefix, options);
    this.#enter(options.signal);
    const { after = null, limit } = options;
    const found = this.#ledger.page(prefix, after, limit === undefined ? null : limit + 1);
    const more = limit !== undefined && found.length > limit;
    return { entries: more ? found.slice(0, limit) : found, revision: this.#ledger.revision, more };
  }

  async transact(transaction: Transaction, options: CallOptions = {}): Promise<TransactionResult> {
    checkTransaction(transaction);
    this.#enter(options.signal);
    const reader = {
      get: (key: string) => this.#ledger.get(key),
      keys: (prefix: string) => this.#ledger.page(prefix, null, null).map((entry) => entry.key),
      hasLease: (id: string) => this.#leases.has(id),
    };
    const { succeeded, events, entries } = evaluateTransaction(
      transaction,
      reader,
      this.#ledger.revision + 1,
    );
    if (events.length > 0) this.#commit(events, null);
    return { succeeded, revision: this.#ledger.revision, changes: events.length, entries };
  }

  async *watch(prefix: string, options: WatchOptions): AsyncGenerator<WatchBatch, never> {
    checkPrefix(prefix);
    const { signal } = options;
    let cursor = checkRevision(options.afterRevision);
    for (;;) {
      this.#enter(signal);
      this.#checkHistory(prefix, cursor);
      const { revision } = this.#ledger;
      const batches = this.#ledger.history(prefix, cursor, watchChunk);
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
    this.#ledger.addLease(id, ttlMs);
    this.#leases.start(id, ttlMs);
    const revoke = async (call: CallOptions = {}): Promise<void> => {
      this.#enter(call.signal);
      if (this.#leases.has(id)) this.#endLease(id);
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
    return this.#ledger.revision;
  }

  async compact(revision: number, options: CallOptions = {}): Promise<void> {
    checkRevision(revision);
    this.#enter(options.signal);
    const present = this.#ledger.revision;
    if (revision > present) throw storeErrors['future-revision']({ revision, present });
    if (revision <= this.#ledger.compactedRevision) return;
    this.#ledger.compact(revision);
    this.#changed.notify();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#leases.close();
    this.#changed.notify();
    this.#ledger.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What holds at every entrance: open, not aborted, and no lease past its end. */
  #enter(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#closed) throw storeErrors.closed();
    for (const id of this.#leases.due()) this.#endLease(id);
  }

  #checkHistory(prefix: string, afterRevision: number): void {
    const { revision: present, compactedRevision } = this.#ledger;
    if (afterRevision < compactedRevision) {
      throw storeErrors.compacted({ prefix, afterRevision, compactedRevision });
    }
    if (afterRevision > present) throw storeErrors['future-revision']({ revision: afterRevision, present });
  }

  #commit(events: readonly StoreEvent[], endedLease: string | null): void {
    this.#ledger.commit(this.#ledger.revision + (events.length > 0 ? 1 : 0), events, endedLease);
    this.#changed.notify();
  }

  #endLease(id: string): void {
    const modRevision = this.#ledger.revision + 1;
    const keys = this.#ledger.keysOfLease(id);
    this.#commit(
      keys.map((key) => ({ type: 'delete', key, modRevision })),
      id,
    );
    this.#leases.remove(id);
  }

  #onLeaseDue(): void {
    try {
      for (const id of this.#leases.due()) this.#endLease(id);
    } catch {
      // The store could not write (a full disk, say). The next call meets the same error and reports it to its
      // caller; nobody waits here, so this only tries again.
      this.#leases.postpone(leaseRetryMs);
    }
  }
}
