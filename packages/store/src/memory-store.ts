/** A store that lasts as long as its process: for tests, and as the plainest statement of what a store does. */
import { prefixEnd } from './check-transaction.ts';
import { type Clock, monotonicClock } from './clock.ts';
import { type Ledger, LocalStore } from './local-store.ts';
import type { Store, StoreEntry, StoreEvent, WatchBatch } from './store.ts';

export interface MemoryStoreOptions {
  /** For leases. Default: the monotonic clock. */
  readonly clock?: Clock;
}

export function openMemoryStore(options: MemoryStoreOptions = {}): Store {
  return new LocalStore(new MemoryLedger(), options.clock ?? monotonicClock);
}

class MemoryLedger implements Ledger {
  /** Like etcd's: an empty store is at revision 1. */
  revision = 1;
  compactedRevision = 0;
  readonly #entries = new Map<string, StoreEntry>();
  #history: WatchBatch[] = [];
  readonly #leases = new Map<string, number>();

  get(key: string): StoreEntry | null {
    return this.#entries.get(key) ?? null;
  }

  page(prefix: string, after: string | null, limit: number | null): readonly StoreEntry[] {
    const keys = [...this.#entries.keys()].filter((key) => inRange(key, prefix) && (!after || key > after));
    return keys
      .sort()
      .slice(0, limit ?? keys.length)
      .map((key) => this.#entries.get(key)!);
  }

  keysOfLease(leaseId: string): readonly string[] {
    return this.page('', null, null)
      .filter((entry) => entry.leaseId === leaseId)
      .map((entry) => entry.key);
  }

  history(prefix: string, afterRevision: number, limit: number): readonly WatchBatch[] {
    return this.#history
      .filter((batch) => batch.revision > afterRevision)
      .map(({ revision, events }) => ({
        revision,
        events: events.filter((event) => inRange(keyOf(event), prefix)),
      }))
      .filter((batch) => batch.events.length > 0)
      .slice(0, limit);
  }

  commit(revision: number, events: readonly StoreEvent[], endedLease: string | null): void {
    if (endedLease !== null) this.#leases.delete(endedLease);
    this.revision = revision;
    if (events.length === 0) return;
    this.#history.push({ revision, events });
    for (const event of events) {
      if (event.type === 'put') this.#entries.set(event.entry.key, event.entry);
      else this.#entries.delete(event.key);
    }
  }

  compact(revision: number): void {
    this.compactedRevision = revision;
    this.#history = this.#history.filter((batch) => batch.revision > revision);
  }

  leases(): readonly { readonly id: string; readonly ttlMs: number }[] {
    return [...this.#leases].map(([id, ttlMs]) => ({ id, ttlMs }));
  }

  addLease(id: string, ttlMs: number): void {
    this.#leases.set(id, ttlMs);
  }

  close(): void {
    this.#entries.clear();
    this.#history = [];
  }
}

export function keyOf(event: StoreEvent): string {
  return event.type === 'put' ? event.entry.key : event.key;
}

function inRange(key: string, prefix: string): boolean {
  const end = prefixEnd(prefix);
  return key >= prefix && (end === null || key < end);
}
