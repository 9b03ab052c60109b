/** What maintenance decided (docs/formats/repository.md, "State"). */
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

/**
 * The highest state. One that cannot be read is an error: an older one in its place could let a writer rely on doomed
 * packs.
 *
 * @throws repository.object-damaged
 */
export async function readState(
  store: ObjectStore,
  keys: RepositoryKeys,
  signal?: AbortSignal,
): Promise<RepositoryState> {
  const names = (await listAll(store, 'states/', signal)).map((entry) => entry.name).sort();
  const newest = names.at(-1);
  if (newest === undefined) return firstState;
  return parseState(newest, openDocument(keys, newest, await store.read(newest, undefined, signal)));
}

export function parseState(name: string, value: Record<string, unknown>): RepositoryState {
  const fields = new Fields(name, value);
  const policy = fields.object('policy');
  return {
    number: fields.count('number'),
    segments: fields.texts('segments', hash),
    superseded: fields.texts('superseded', hash),
    doomed: fields.list('doomed', (set) => ({ packs: set.texts('packs', hash), since: set.count('since') })),
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
    if (Number(name.slice('states/'.length)) <= current - keptStates) await store.delete(name, signal);
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
