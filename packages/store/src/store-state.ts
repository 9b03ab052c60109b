/** Keys as they stand and the changes that led there, in memory. Everything that a local store reads comes from here. */
import { prefixEnd } from './check-transaction.ts';
import type { StoreReader } from './evaluate-transaction.ts';
import type { StoreEntry, StoreEvent, WatchBatch } from './store.ts';

/** A change of the state. All but a compaction are what the journal keeps, too. */
export type StateChange =
  | {
      readonly type: 'commit';
      readonly revision: number;
      /** Empty when only a lease ends that has no key. */
      readonly events: readonly StoreEvent[];
      readonly endedLease: string | null;
    }
  | { readonly type: 'grant'; readonly leaseId: string; readonly ttlMs: number }
  | { readonly type: 'compact'; readonly revision: number };

/** A whole state, as it is read from a file or handed from thread to thread. */
export interface StateSnapshot {
  readonly revision: number;
  readonly compactedRevision: number;
  readonly entries: readonly StoreEntry[];
  /** In the order of their revisions. */
  readonly history: readonly WatchBatch[];
  readonly leases: readonly { readonly id: string; readonly ttlMs: number }[];
}

/** Like etcd's: an empty store is at revision 1. */
export const emptySnapshot: StateSnapshot = {
  revision: 1,
  compactedRevision: 0,
  entries: [],
  history: [],
  leases: [],
};

export class StoreState implements Pick<StoreReader, 'get' | 'keys'> {
  revision: number;
  /** Watches after an earlier revision are refused. */
  compactedRevision: number;
  readonly #entries: Map<string, StoreEntry>;
  /** In the order of bytes, which for ASCII is that of strings. */
  readonly #keys: string[];
  #history: WatchBatch[];

  constructor(snapshot: Omit<StateSnapshot, 'leases'>) {
    this.revision = snapshot.revision;
    this.compactedRevision = snapshot.compactedRevision;
    this.#entries = new Map(snapshot.entries.map((entry) => [entry.key, entry]));
    this.#keys = [...this.#entries.keys()].sort();
    this.#history = [...snapshot.history];
  }

  clone(): StoreState {
    const { revision, compactedRevision } = this;
    return new StoreState({
      revision,
      compactedRevision,
      entries: [...this.#entries.values()],
      history: this.#history,
    });
  }

  get(key: string): StoreEntry | null {
    return this.#entries.get(key) ?? null;
  }

  keys(prefix: string, after: string | null = null, limit = Number.POSITIVE_INFINITY): readonly string[] {
    const end = prefixEnd(prefix);
    const first = after !== null && after >= prefix ? this.#place(`${after}\0`) : this.#place(prefix);
    const last = end === null ? this.#keys.length : this.#place(end);
    return this.#keys.slice(first, Math.min(last, first + limit));
  }

  entries(prefix: string, after: string | null, limit: number): readonly StoreEntry[] {
    return this.keys(prefix, after, limit).map((key) => this.#entries.get(key)!);
  }

  keysOfLease(leaseId: string): readonly string[] {
    return this.#keys.filter((key) => this.#entries.get(key)!.leaseId === leaseId);
  }

  /** The next revisions after this one that touch the prefix, each complete, at most `limit`. */
  history(prefix: string, afterRevision: number, limit: number): readonly WatchBatch[] {
    const batches: WatchBatch[] = [];
    for (let index = this.#historyAfter(afterRevision); index < this.#history.length; index += 1) {
      const { revision, events } = this.#history[index]!;
      const touching = events.filter((event) => keyOf(event).startsWith(prefix));
      if (touching.length > 0) batches.push({ revision, events: touching });
      if (batches.length === limit) break;
    }
    return batches;
  }

  apply(change: StateChange): void {
    if (change.type === 'compact') {
      this.compactedRevision = change.revision;
      this.#history = this.#history.slice(this.#historyAfter(change.revision));
    }
    if (change.type !== 'commit') return;
    this.revision = change.revision;
    if (change.events.length === 0) return;
    this.#history.push({ revision: change.revision, events: change.events });
    for (const event of change.events) {
      if (event.type === 'put') this.#put(event.entry);
      else this.#delete(event.key);
    }
  }

  #put(entry: StoreEntry): void {
    if (!this.#entries.has(entry.key)) this.#keys.splice(this.#place(entry.key), 0, entry.key);
    this.#entries.set(entry.key, entry);
  }

  #delete(key: string): void {
    if (this.#entries.delete(key)) this.#keys.splice(this.#place(key), 1);
  }

  /** Where a key stands, or would stand. */
  #place(key: string): number {
    return firstIndex(this.#keys.length, (index) => this.#keys[index]! >= key);
  }

  #historyAfter(revision: number): number {
    return firstIndex(this.#history.length, (index) => this.#history[index]!.revision > revision);
  }
}

/** The first index below `length` for which `holds`, which holds for all after it too; else `length`. */
function firstIndex(length: number, holds: (index: number) => boolean): number {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function keyOf(event: StoreEvent): string {
  return event.type === 'put' ? event.entry.key : event.key;
}
