/** What a transaction does to the keys, without doing it. Pure: memory and SQLite store what comes out. */
import { storeErrors } from './errors.ts';
import type { Compare, StoreEntry, StoreEvent, Transaction, TransactionStep } from './store.ts';

/** The keys as they stand before the transaction. */
export interface StoreReader {
  get(key: string): StoreEntry | null;
  /** Keys with this prefix, in order. */
  keys(prefix: string): readonly string[];
  hasLease(leaseId: string): boolean;
}

export interface Evaluation {
  readonly succeeded: boolean;
  /** In the order of the steps; each key at most once. */
  readonly events: readonly StoreEvent[];
  readonly entries: readonly (StoreEntry | null)[];
}

/**
 * @param transaction has passed `checkTransaction`
 * @param revision what the changes would get
 * @throws store.lease-gone when the branch that is taken puts a key with a lease that is not there
 */
export function evaluateTransaction(
  transaction: Transaction,
  reader: StoreReader,
  revision: number,
): Evaluation {
  const succeeded = (transaction.compare ?? []).every((compare) => holds(compare, reader.get(compare.key)));
  const branch = new Branch(reader, revision);
  for (const step of succeeded ? transaction.then : (transaction.else ?? [])) branch.take(step);
  return { succeeded, events: branch.events, entries: branch.entries };
}

function holds(compare: Compare, entry: StoreEntry | null): boolean {
  if ('modRevision' in compare) return entry?.modRevision === compare.modRevision;
  if ('value' in compare) return entry?.value === compare.value;
  return 'exists' in compare ? entry !== null : entry === null;
}

class Branch {
  readonly events: StoreEvent[] = [];
  readonly entries: (StoreEntry | null)[] = [];
  readonly #reader: StoreReader;
  readonly #revision: number;
  readonly #changed = new Map<string, StoreEntry | null>();

  constructor(reader: StoreReader, revision: number) {
    this.#reader = reader;
    this.#revision = revision;
  }

  take(step: TransactionStep): void {
    if ('put' in step) this.#put(step.put, step.value, step.leaseId ?? null);
    else if ('delete' in step) this.#delete(step.delete);
    else if ('get' in step) this.entries.push(this.#get(step.get));
    else for (const key of this.#reader.keys(step.deletePrefix)) this.#delete(key);
  }

  #get(key: string): StoreEntry | null {
    const changed = this.#changed.get(key);
    return changed === undefined ? this.#reader.get(key) : changed;
  }

  #put(key: string, value: string, leaseId: string | null): void {
    if (leaseId !== null && !this.#reader.hasLease(leaseId)) throw storeErrors['lease-gone']({ leaseId });
    const createRevision = this.#get(key)?.createRevision ?? this.#revision;
    const entry: StoreEntry = { key, value, createRevision, modRevision: this.#revision, leaseId };
    this.#changed.set(key, entry);
    this.events.push({ type: 'put', entry });
  }

  #delete(key: string): void {
    if (this.#get(key) === null) return;
    this.#changed.set(key, null);
    this.events.push({ type: 'delete', key, modRevision: this.#revision });
  }
}
