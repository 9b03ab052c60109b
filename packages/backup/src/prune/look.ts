/**
 * What a prune sees: the state, the packs that are there, and which records of the index somebody needs. The order of the
 * listings is what the proof rests on (docs/formats/repository.md, "Maintenance").
 */
import type { RepositoryContext } from '../context.ts';
import { uuidText } from '../crypto/keys.ts';
import { headerBytes, openSealer, sessionOfHeader } from '../crypto/sealer.ts';
import { isLoss, repositoryErrors } from '../errors.ts';
import { storedLength } from '../format/length-word.ts';
import { listAll } from '../object-store/object-store.ts';
import { packName } from '../pack/pack-format.ts';
import { listPoints, pinsOf } from '../point/point.ts';
import type { SeenSession } from '../session/session.ts';
import type { RepositoryState } from '../state/state.ts';
import { type Liveness, markLive } from './liveness.ts';
import type { PackUse } from './prune-plan.ts';

export interface Look {
  /** Of its own: the numbers of records stand still while `work` runs. */
  readonly context: RepositoryContext;
  readonly state: RepositoryState;
  readonly live: Liveness;
  /** Hash and stored bytes. */
  readonly packs: ReadonlyMap<string, number>;
}

export interface LookOptions {
  /** Those that have not ended, without the one of this id. */
  readonly sessions: (exceptId: string) => Promise<SeenSession[]>;
  /** Id of the session that looks; empty: it has none. */
  readonly ownId: string;
  /** Ids of points that are taken as gone. */
  readonly without?: ReadonlySet<string> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Points before sessions, the index before the packs.
 *
 * @throws repository.object-damaged, repository.busy where it cannot be told what is needed
 */
export async function look<T>(
  context: RepositoryContext,
  { ownId, sessions: sessionsAtWork, signal, without }: LookOptions,
  work: (look: Look) => Promise<T>,
): Promise<T> {
  const { store } = context;
  const { points, damaged } = await listPoints(store, context.keys, signal);
  const unreadable = damaged.keys().next().value;
  // What an unreadable point needs is unknown: nothing may go before it is repaired or deleted.
  if (unreadable !== undefined) throw damaged.get(unreadable)!;
  const sessions = await sessionsAtWork(ownId);
  const blind = sessions.find(({ content }) => content === null);
  if (blind) throw repositoryErrors.busy({ what: `Session ${blind.id}, which cannot be read,`, attempts: 1 });
  const staying = points.filter(({ id }) => !without?.has(id));
  const roots = [...staying.flatMap(pinsOf), ...sessions.flatMap(({ content }) => content?.pins ?? [])];
  const fresh = await context.fresh(signal);
  try {
    fresh.throwIfStateDamaged();
    const damagedSegment = [...fresh.index.damaged.values()][0];
    if (damagedSegment) throw damagedSegment;
    const live = await markLive(fresh, roots, signal);
    const packs = new Map(
      (await listAll(store, 'packs/', signal)).map((e) => [e.name.slice(-64), e.sizeBytes]),
    );
    return await work({ context: fresh, state: fresh.state, live, packs });
  } finally {
    await fresh.pool.close();
  }
}

/** How much of each pack is needed. */
export async function packUses(
  { context, live, packs, state }: Look,
  options: LookOptions,
): Promise<PackUse[]> {
  const { index } = context;
  const uses = new Map<string, { listedBytes: number; liveBytes: number }>();
  const byPack = Array.from({ length: index.packs.count }, (_, pack) => {
    const hash = index.packs.hash(pack);
    const use = uses.get(hash) ?? { listedBytes: 0, liveBytes: 0 };
    uses.set(hash, use);
    return use;
  });
  await index.visitRecords((record, place) => {
    const bytes = storedLength(place.word);
    byPack[place.pack]!.listedBytes += bytes;
    if (live.has(record)) byPack[place.pack]!.liveBytes += bytes;
  }, options.signal);
  const doomed = new Set(state.doomed.flatMap((set) => set.packs));
  const unlisted = [...packs.keys()].filter((hash) => !uses.has(hash));
  const orphans = await findOrphans(context, unlisted, options);
  return [...packs.keys()].map((hash) => ({
    hash,
    ...(uses.get(hash) ?? { listedBytes: 0, liveBytes: 0 }),
    isDoomed: doomed.has(hash),
    isListed: uses.has(hash),
    hasWriterEnded: orphans.has(hash),
  }));
}

/** Packs that no segment names although their sessions have ended: nobody will name them any more. */
async function findOrphans(
  context: RepositoryContext,
  hashes: readonly string[],
  { sessions, signal }: LookOptions,
): Promise<Set<string>> {
  if (hashes.length === 0) return new Set();
  const { store, keys } = context;
  const writers = new Map<string, string>();
  for (const hash of hashes) {
    const range = { offset: 0, length: headerBytes };
    const header = await store.read(packName(hash), range, signal).catch(onLoss);
    const isPack = header && openSealer(keys, 'P', header) !== null;
    if (isPack) writers.set(hash, uuidText(sessionOfHeader(header)));
  }
  // The own one too: packs of an attempt before this one may not be listed yet.
  const atWork = new Set((await sessions('')).map(({ id }) => id));
  // A session may have put its segment and ended since the index was read.
  const again = await context.fresh(signal);
  await again.pool.close();
  const named = new Set(
    Array.from({ length: again.index.packs.count }, (_, pack) => again.index.packs.hash(pack)),
  );
  return new Set(
    [...writers].filter(([hash, id]) => !atWork.has(id) && !named.has(hash)).map(([hash]) => hash),
  );
}

export function onLoss(cause: unknown): undefined {
  if (!isLoss(cause)) throw cause;
}
