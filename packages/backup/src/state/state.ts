/** What maintenance decided (docs/formats/repository.md, "State"). */
import { uuidPattern } from '@corral/core/ids';
import type { RepositoryKeys } from '../crypto/keys.ts';
import { openDocument, sealDocument } from '../format/document.ts';
import { Fields } from '../format/fields.ts';
import { listAll, type ObjectStore } from '../object-store/object-store.ts';

export interface DoomedSet {
  /** Hashes of packs. */
  readonly packs: readonly string[];
  /** The number of the state that doomed them. */
  readonly since: number;
}

export interface RepositoryPolicy {
  readonly appendOnly: boolean;
  /** Days for which a new point is locked. */
  readonly lockDays: number;
}

export interface HarmedPoint {
  readonly point: string;
  readonly streams: readonly string[];
}

export interface RepositoryState {
  readonly number: number;
  readonly segments: readonly string[];
  readonly superseded: readonly string[];
  readonly doomed: readonly DoomedSet[];
  /** Sessions that were given up: what they list by themselves is not to be relied on, whenever it arrives. */
  readonly revoked: readonly string[];
  readonly policy: RepositoryPolicy;
  readonly harmed: readonly HarmedPoint[];
  readonly createdAt: string;
  readonly host: string;
}

export const firstState: RepositoryState = {
  number: 0,
  segments: [],
  superseded: [],
  doomed: [],
  revoked: [],
  policy: { appendOnly: false, lockDays: 0 },
  harmed: [],
  createdAt: new Date(0).toISOString(),
  host: '',
};

const hash = /^[0-9a-f]{64}$/;
const keptStates = 8;

export function stateName(number: number): string {
  return `states/${String(number).padStart(10, '0')}`;
}

export interface StateReading {
  readonly state: RepositoryState;
  /** Why the highest state cannot be read; `state` is then an older one, good for reading points only. */
  readonly damage: Error | null;
}

/** The highest state, or the highest that can be read. */
export async function readState(
  store: ObjectStore,
  keys: RepositoryKeys,
  signal?: AbortSignal,
): Promise<StateReading> {
  const names = (await listAll(store, 'states/', signal)).map((entry) => entry.name).sort();
  let damage: Error | null = null;
  for (const name of names.reverse()) {
    try {
      const state = parseState(name, openDocument(keys, name, await store.read(name, undefined, signal)));
      return { state: damage ? { ...state, number: numberOf(names[0]!) } : state, damage };
    } catch (cause) {
      const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
      // Removed since the listing, because newer ones came: look again.
      if (code === 'repository.object-missing') return await readState(store, keys, signal);
      if (code !== 'repository.object-damaged') throw cause;
      damage ??= cause as Error;
    }
  }
  return { state: names[0] ? { ...firstState, number: numberOf(names[0]) } : firstState, damage };
}

function numberOf(name: string): number {
  return Number(name.slice('states/'.length));
}

export function parseState(name: string, value: Record<string, unknown>): RepositoryState {
  const fields = new Fields(name, value);
  const policy = fields.object('policy');
  return {
    number: fields.count('number'),
    segments: fields.texts('segments', hash),
    superseded: fields.texts('superseded', hash),
    doomed: fields.list('doomed', (set) => ({ packs: set.texts('packs', hash), since: set.count('since') })),
    revoked: fields.texts('revoked', uuidPattern),
    policy: { appendOnly: policy.flag('appendOnly'), lockDays: policy.count('lockDays', 36_500) },
    harmed: fields.list('harmed', (item) => ({
      point: item.id('point'),
      streams: item.texts('streams', /^[\s\S]*$/),
    })),
    createdAt: fields.text('createdAt'),
    host: fields.text('host'),
  };
}

/** Puts the state after `before`; false if another one was faster. */
export async function putState(
  store: ObjectStore,
  keys: RepositoryKeys,
  sessionId: Buffer,
  state: RepositoryState,
  signal?: AbortSignal,
): Promise<boolean> {
  const name = stateName(state.number);
  return (await store.put(name, sealDocument(keys, name, sessionId, state), { signal })) === 'stored';
}

/** Removes states that no longer matter; the last ones stay, to look back and against confusion. */
export async function removeOldStates(
  store: ObjectStore,
  current: number,
  signal?: AbortSignal,
): Promise<void> {
  for (const { name } of await listAll(store, 'states/', signal)) {
    if (numberOf(name) <= current - keptStates) await store.delete(name, signal);
  }
}

/** What of a state a successor takes over. */
export function nextState(
  before: RepositoryState,
  host: string,
  changes: Partial<RepositoryState>,
): RepositoryState {
  return { ...before, ...changes, number: before.number + 1, createdAt: new Date().toISOString(), host };
}
