/**
 * The one place where Corral keeps what it must not forget: keys with transactions, watches and leases.
 *
 * The interface is etcd's data model reduced to what SQLite and a map in memory can keep as strictly
 * (docs/formats/store.md): one revision counts every change of the whole store; a transaction is one revision;
 * a watch delivers the revisions in order, each complete, none twice. Whoever reads with `list` and then watches
 * after the revision of that reading misses nothing.
 *
 * Keys are printable ASCII without spaces, in parts divided by `/`; text from people goes through `keyPart`.
 * Values are text. Limits: `storeLimits` in check-transaction.ts.
 */

export interface CallOptions {
  /** Stops waiting. A transaction that was already sent may still take place: see `Store.transact`. */
  readonly signal?: AbortSignal;
}

/** A key as it stands. */
export interface StoreEntry {
  readonly key: string;
  readonly value: string;
  /** Revision in which the key came into being; another one after it was deleted and put again. */
  readonly createRevision: number;
  /** Revision of the latest put. */
  readonly modRevision: number;
  /** The lease with which the key ends. */
  readonly leaseId: string | null;
}

export interface ListOptions extends CallOptions {
  /** Only keys that sort after this one: the last key of the page before. */
  readonly after?: string;
  /** At most so many entries. Without it: all. */
  readonly limit?: number;
}

export interface ListResult {
  /** In the order of their keys, by byte. */
  readonly entries: readonly StoreEntry[];
  /** The revision of the store that was read: where a watch goes on. */
  readonly revision: number;
  /** Whether `limit` cut the list off. */
  readonly more: boolean;
}

/** A condition of a transaction, on one key. */
export type Compare =
  | { readonly key: string; readonly modRevision: number }
  | { readonly key: string; readonly value: string }
  | { readonly key: string; readonly exists: true }
  | { readonly key: string; readonly absent: true };

/** What a transaction does, in order. A `get` sees what stands before it in the same branch. */
export type TransactionStep =
  | { readonly put: string; readonly value: string; readonly leaseId?: string }
  | { readonly delete: string }
  | { readonly deletePrefix: string }
  | { readonly get: string };

export interface Transaction {
  /** All must hold, else the `else` branch is taken. None: always holds. */
  readonly compare?: readonly Compare[];
  readonly then: readonly TransactionStep[];
  readonly else?: readonly TransactionStep[];
}

export interface TransactionResult {
  /** Whether all conditions held. */
  readonly succeeded: boolean;
  /** The revision that the changes got; without a change, the one at which the conditions were judged. */
  readonly revision: number;
  /** How many keys the branch put or deleted. Zero makes no revision. */
  readonly changes: number;
  /** One for each `get` of the branch that was taken, in order. */
  readonly entries: readonly (StoreEntry | null)[];
}

export type StoreEvent =
  | { readonly type: 'put'; readonly entry: StoreEntry }
  | { readonly type: 'delete'; readonly key: string; readonly modRevision: number };

/** All changes of one revision to keys under the watched prefix, in the order in which they were made. */
export interface WatchBatch {
  readonly revision: number;
  readonly events: readonly StoreEvent[];
}

export interface WatchOptions {
  /** Deliver what came after this revision. Required: "from now on" would lose what happens in between. */
  readonly afterRevision: number;
  readonly signal?: AbortSignal;
}

/** Keys put with its id end when it does: when it is revoked, or not renewed in time. */
export interface Lease extends AsyncDisposable {
  readonly id: string;
  /** What was granted: at least what was asked for (etcd counts in whole seconds and has a least value). */
  readonly ttlMs: number;
  /**
   * What is left on this process's monotonic clock, counted from before the latest renewal was *sent*: never more
   * than the store still grants. Zero when it is over. Needs no connection (invariant 1).
   */
  remainingMs(): number;
  /** Starts its time again. @throws store.lease-gone */
  keepAlive(options?: CallOptions): Promise<void>;
  /** Ends it and deletes its keys in one revision. No error when it is gone already. Also at `await using`. */
  revoke(options?: CallOptions): Promise<void>;
}

export interface Store extends AsyncDisposable {
  get(key: string, options?: CallOptions): Promise<StoreEntry | null>;

  list(prefix: string, options?: ListOptions): Promise<ListResult>;

  /**
   * All or nothing, in one revision. A branch may not put a key twice, nor put and delete the same key.
   *
   * @throws store.unknown-outcome when it may or may not have taken place: the caller decides by reading, or
   *   repeats it if its conditions make the repetition harmless. It is never repeated here.
   * @throws store.lease-gone when a put names a lease that has ended
   * @throws store.bad-request when keys, sizes or the combination break a limit
   */
  transact(transaction: Transaction, options?: CallOptions): Promise<TransactionResult>;

  /**
   * Yields until the signal aborts (rejects with its reason) or the store is closed (store.closed). Broken
   * connections are taken up again behind the scenes.
   *
   * @throws store.compacted when the history after `afterRevision` is gone: list again
   * @throws store.future-revision when the store has not reached `afterRevision`: it was put back to an older state
   */
  watch(prefix: string, options: WatchOptions): AsyncIterable<WatchBatch>;

  /** @param ttlMs 1 s to 24 h */
  grantLease(ttlMs: number, options?: CallOptions): Promise<Lease>;

  /** The present revision. */
  revision(options?: CallOptions): Promise<number>;

  /** Forgets the history before `revision`: a watch after an earlier one is refused from then on. */
  compact(revision: number, options?: CallOptions): Promise<void>;

  /** Ends watches; leases end by themselves. Harmless when repeated. */
  close(): Promise<void>;
}
