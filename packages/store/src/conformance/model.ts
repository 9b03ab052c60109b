/**
 * What a store is, in the plainest words: a list of all its states. Shares no code with the implementations; its
 * history is found by comparing one state with the next.
 */
import type { Compare, StoreEntry, StoreEvent, Transaction, TransactionStep, WatchBatch } from '../store.ts';

type State = ReadonlyMap<string, StoreEntry>;

export interface ModelResult {
  readonly succeeded: boolean;
  readonly changed: boolean;
  readonly entries: readonly (StoreEntry | null)[];
}

export class StoreModel {
  readonly #states: { readonly revision: number; readonly state: State }[];
  compactedRevision: number;

  constructor(revision: number) {
    this.#states = [{ revision, state: new Map() }];
    this.compactedRevision = 0;
  }

  get revisions(): readonly number[] {
    return this.#states.map(({ revision }) => revision);
  }

  get state(): State {
    return this.#states.at(-1)!.state;
  }

  get revision(): number {
    return this.#states.at(-1)!.revision;
  }

  /** @param revision the one that the store gave to the change, if it made one */
  transact(transaction: Transaction, revision: number): ModelResult {
    const succeeded = (transaction.compare ?? []).every((compare) => this.#holds(compare));
    const state = new Map(this.state);
    const entries: (StoreEntry | null)[] = [];
    let changed = false;
    for (const step of succeeded ? transaction.then : (transaction.else ?? [])) {
      if ('get' in step) entries.push(state.get(step.get) ?? null);
      else changed = change(state, step, revision) || changed;
    }
    if (changed) this.#states.push({ revision, state });
    return { succeeded, changed, entries };
  }

  endLease(leaseId: string, revision: number): boolean {
    const state = new Map([...this.state].filter(([, entry]) => entry.leaseId !== leaseId));
    const changed = state.size < this.state.size;
    if (changed) this.#states.push({ revision, state });
    return changed;
  }

  list(prefix: string): StoreEntry[] {
    return [...this.state.values()].filter((entry) => entry.key.startsWith(prefix)).toSorted(byKey);
  }

  /** Events of a batch in the order of their keys. */
  history(prefix: string, afterRevision: number): WatchBatch[] {
    return this.#states
      .map(({ revision, state }, index) => ({
        revision,
        events: differences(this.#states[index - 1]?.state ?? new Map(), state, revision).filter((event) =>
          eventKey(event).startsWith(prefix),
        ),
      }))
      .filter(({ revision, events }) => revision > afterRevision && events.length > 0);
  }

  #holds(compare: Compare): boolean {
    const entry = this.state.get(compare.key);
    if ('absent' in compare) return !entry;
    if (!entry) return false;
    if ('modRevision' in compare) return entry.modRevision === compare.modRevision;
    return 'value' in compare ? entry.value === compare.value : true;
  }
}

function change(
  state: Map<string, StoreEntry>,
  step: Exclude<TransactionStep, { get: string }>,
  revision: number,
): boolean {
  if ('put' in step) {
    const createRevision = state.get(step.put)?.createRevision ?? revision;
    const leaseId = step.leaseId ?? null;
    state.set(step.put, { key: step.put, value: step.value, createRevision, modRevision: revision, leaseId });
    return true;
  }
  if ('delete' in step) return state.delete(step.delete);
  const doomed = [...state.keys()].filter((key) => key.startsWith(step.deletePrefix));
  for (const key of doomed) state.delete(key);
  return doomed.length > 0;
}

function differences(before: State, after: State, revision: number): StoreEvent[] {
  const puts = [...after.values()]
    .filter((entry) => entry.modRevision === revision)
    .map((entry): StoreEvent => ({ type: 'put', entry }));
  const deletions = [...before.keys()]
    .filter((key) => !after.has(key))
    .map((key): StoreEvent => ({ type: 'delete', key, modRevision: revision }));
  return sortEvents([...puts, ...deletions]);
}

export function sortEvents(events: readonly StoreEvent[]): StoreEvent[] {
  return events.toSorted((a, b) => (eventKey(a) < eventKey(b) ? -1 : 1));
}

function byKey(a: StoreEntry, b: StoreEntry): number {
  return a.key < b.key ? -1 : 1;
}

function eventKey(event: StoreEvent): string {
  return event.type === 'put' ? event.entry.key : event.key;
}
