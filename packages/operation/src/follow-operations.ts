/**
 * Snapshots as they come, from any process that sees the store. A snapshot is the whole state, so a follower that
 * was away needs no history: it gets the present one and goes on.
 */
import { isCorralError } from '@corral/core/errors';
import { isId } from '@corral/core/ids';
import type { Store, StoreEntry, WatchBatch } from '@corral/store/store';
import { operationErrors } from './errors.ts';
import { finalStates, type OperationSnapshot } from './operation.ts';
import { cancelKey, parseKey, progressKey, recordKey, recordPrefix } from './operation-record.ts';
import { groupOperations } from './operation-records.ts';

export interface FollowOptions {
  /** Revision of the latest snapshot that is known already: states up to it are not repeated. */
  readonly afterRevision?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The present state, unless it is known, and each later one; ends after the final one. States in between may be
 * passed over by a follower that is slow.
 *
 * @throws operation.not-found when it is not there or is pruned meanwhile
 */
export async function* followOperation(
  store: Store,
  id: string,
  options: FollowOptions = {},
): AsyncGenerator<OperationSnapshot, void> {
  if (!isId(id)) throw operationErrors['not-found']({ id });
  let known = options.afterRevision ?? 0;
  for await (const { snapshots, revision } of follow(store, recordKey(id), options.signal)) {
    if (known > revision) known = 0; // the store was put back to an older state
    const [snapshot] = snapshots;
    if (!snapshot) throw operationErrors['not-found']({ id });
    if (snapshot.revision > known) yield snapshot;
    known = Math.max(known, snapshot.revision);
    if (finalStates.has(snapshot.state)) return;
  }
}

/** Every operation: those there are, unless known, and each later state of any, until the signal aborts. */
export async function* followAllOperations(
  store: Store,
  options: FollowOptions = {},
): AsyncGenerator<OperationSnapshot, never> {
  let known = options.afterRevision ?? 0;
  for await (const { snapshots, revision } of follow(store, recordPrefix, options.signal)) {
    if (known > revision) known = 0; // the store was put back to an older state
    for (const snapshot of snapshots.toSorted((a, b) => a.revision - b.revision)) {
      if (snapshot.revision > known) yield snapshot;
    }
    known = Math.max(known, revision);
  }
  throw new Error('a watch ended without a reason');
}

/** Operations that may have changed, as they are at a revision. */
interface View {
  readonly snapshots: readonly OperationSnapshot[];
  readonly revision: number;
}

/** All under a prefix, then those that each revision touches. Reads again whenever history is gone. */
async function* follow(store: Store, prefix: string, signal: AbortSignal | undefined): AsyncGenerator<View> {
  const options = signal ? { signal } : {};
  for (;;) {
    const { entries, revision } = await store.list(prefix, options);
    const state = new Map(entries.map((entry) => [entry.key, entry]));
    yield { snapshots: snapshotsOf(entries), revision };
    try {
      for await (const batch of store.watch(prefix, { afterRevision: revision, ...options })) {
        const ids = change(state, batch);
        yield { snapshots: snapshotsOf(entriesOf(state, ids)), revision: batch.revision };
      }
    } catch (e) {
      if (!isCorralError(e, 'store.compacted') && !isCorralError(e, 'store.future-revision')) throw e;
    }
  }
}

/** @returns ids of what changed */
function change(state: Map<string, StoreEntry>, batch: WatchBatch): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const event of batch.events) {
    const key = event.type === 'put' ? event.entry.key : event.key;
    if (event.type === 'put') state.set(key, event.entry);
    else state.delete(key);
    ids.add(parseKey(key).id);
  }
  return ids;
}

function entriesOf(state: ReadonlyMap<string, StoreEntry>, ids: ReadonlySet<string>): StoreEntry[] {
  return [...ids]
    .flatMap((id) => [recordKey(id), cancelKey(id), progressKey(id)])
    .flatMap((key) => state.get(key) ?? []);
}

function snapshotsOf(entries: readonly StoreEntry[]): readonly OperationSnapshot[] {
  return groupOperations(entries).map(({ snapshot }) => snapshot);
}
