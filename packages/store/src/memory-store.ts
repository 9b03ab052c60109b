/** A store that lasts as long as its process: for tests, and where nothing is to be kept. */
import { type Clock, monotonicClock } from './clock.ts';
import { noJournal } from './journal.ts';
import { LocalStore } from './local-store.ts';
import type { Store } from './store.ts';
import { emptySnapshot } from './store-state.ts';

export interface MemoryStoreOptions {
  /** For leases. Default: the monotonic clock. */
  readonly clock?: Clock;
}

export function openMemoryStore(options: MemoryStoreOptions = {}): Store {
  return new LocalStore(emptySnapshot, noJournal, options.clock ?? monotonicClock);
}
