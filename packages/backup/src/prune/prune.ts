/**
 * Prune: takes back the room of deleted points, in two phases, beside running backups
 * (docs/formats/repository.md, "Maintenance"). The order of the listings in here is what its proof rests on.
 */
import { hostname } from 'node:os';
import type { RepositoryContext } from '../context.ts';
import { repositoryErrors } from '../errors.ts';
import { blobKind } from '../format/length-word.ts';
import { mergeSegments } from '../index/compaction.ts';
import { segmentName } from '../index/segment-format.ts';
import { LimitedStore } from '../object-store/limited-store.ts';
import { listAll } from '../object-store/object-store.ts';
import { BlobWriter } from '../pack/blob-writer.ts';
import { packName } from '../pack/pack-format.ts';
import { listPoints } from '../point/point.ts';
import { retainUntil } from '../point/point-writer.ts';
import type { SeenSession, Session } from '../session/session.ts';
import { nextState, putState, type RepositoryState, removeOldStates } from '../state/state.ts';
import { type Look, type LookOptions, look, onLoss, packUses } from './look.ts';
import { defaultLimits, type PruneLimits, planPrune } from './prune-plan.ts';
import { mayRelyOn, sessionsAtWork } from './sessions-at-work.ts';

export interface PruneOptions {
  readonly limits?: Partial<PruneLimits> | undefined;
  /** Id of its session, never used before. */
  readonly sessionId?: string | undefined;
  /** Told what is being done, for people. */
  readonly onStage?: ((stage: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PruneResult {
  /** Packs marked in this run, and those deleted. */
  readonly doomedPacks: number;
  readonly deletedPacks: number;
  readonly deletedBytes: number;
  readonly copiedBlobs: number;
  /** Packs that wait for sessions to end. */
  readonly waitingPacks: number;
  /** Sessions that hold them up. */
  readonly waitingFor: readonly string[];
}

const mostAttempts = 5;
/** So many segments are merged although no pack goes. */
const manySegments = 64;

/** @throws repository.append-only, repository.busy */
export async function prune(context: RepositoryContext, options: PruneOptions = {}): Promise<PruneResult> {
  context.throwIfAppendOnly();
  const session = await context.beginSession('maintenance', [], options.signal, options.sessionId);
  try {
    context.throwIfAppendOnly();
    const result = await new Prune(context, session, options).run();
    await removeStrays(context, options.signal);
    await context.store.tidy?.(options.signal);
    await context.refresh(options.signal);
    return result;
  } finally {
    await session.end();
  }
}

/** A deletion of a point that was cut short leaves what lay beside it. */
async function removeStrays(context: RepositoryContext, signal?: AbortSignal): Promise<void> {
  const strays = await listAll(context.store, 'verifications/', signal);
  if (strays.length === 0) return;
  const points = new Set(
    (await listAll(context.store, 'points/', signal)).map(({ name }) => name.slice(-36)),
  );
  for (const { name } of strays)
    if (!points.has(name.split('/')[1]!)) await context.store.delete(name, signal);
}

class Prune {
  readonly #context: RepositoryContext;
  readonly #session: Session;
  readonly #limits: PruneLimits;
  readonly #signal: AbortSignal | undefined;
  readonly #onStage: (stage: string) => void;
  #copied = 0;
  #doomed = 0;
  #deletedPacks = 0;
  #deletedBytes = 0;

  constructor(context: RepositoryContext, session: Session, options: PruneOptions) {
    this.#context = context;
    this.#session = session;
    this.#limits = { ...defaultLimits, ...definedOnly(options.limits ?? {}) };
    this.#signal = options.signal;
    this.#onStage = options.onStage ?? (() => undefined);
  }

  async run(): Promise<PruneResult> {
    const stage = this.#onStage;
    stage('deleting what an earlier run found');
    await this.#repeat('Sweeping', () => this.#sweep());
    stage('looking for what no backup needs');
    await this.#repeat('Dooming', () => this.#doom());
    stage('deleting what no backup needs');
    const waiting = await this.#repeat('Sweeping', () => this.#sweep());
    return {
      doomedPacks: this.#doomed,
      deletedPacks: this.#deletedPacks,
      deletedBytes: this.#deletedBytes,
      copiedBlobs: this.#copied,
      ...waiting,
    };
  }

  /** Begins again while other maintenance is faster; `step` says null then. */
  async #repeat<T>(what: string, step: () => Promise<T | null>): Promise<T> {
    for (let attempt = 0; attempt < mostAttempts; attempt += 1) {
      const result = await step();
      if (result !== null) return result;
    }
    throw repositoryErrors.busy({ what, attempts: mostAttempts });
  }

  get #lookOptions(): LookOptions {
    const signal = this.#signal;
    const sessions = (exceptId: string) => sessionsAtWork(this.#context, exceptId, signal);
    return { sessions, ownId: this.#session.id, signal };
  }

  #look(work: (look: Look) => Promise<boolean>): Promise<boolean> {
    return look(this.#context, this.#lookOptions, work);
  }

  async #doom(): Promise<true | null> {
    const done = await this.#look(async (look) => {
      const uses = await packUses(look, this.#lookOptions);
      const plan = planPrune(uses, this.#limits);
      const revoked = await this.#revoked(look.state);
      if (plan.doom.length === 0 && revoked.length === look.state.revoked.length) return true;
      await this.#copyLive(look, new Set(plan.copy));
      const doomed =
        plan.doom.length === 0
          ? look.state.doomed
          : [...look.state.doomed, { packs: plan.doom, since: look.state.number + 1 }];
      const stored = await this.#putState(nextState(look.state, hostname(), { doomed, revoked }));
      if (stored) this.#doomed += plan.doom.length;
      return stored;
    });
    return done ? true : null;
  }

  async #revoked(state: RepositoryState): Promise<string[]> {
    const { tombstones } = await listPoints(this.#context.store, this.#context.keys, this.#signal);
    return [...new Set([...state.revoked, ...tombstones])];
  }

  /** Copies the marked blobs of some packs into new ones; they are listed by a segment when this ends. */
  async #copyLive(look: Look, from: ReadonlySet<string>): Promise<void> {
    if (from.size === 0) return;
    const { keys } = this.#context;
    const store = new LimitedStore(this.#context.store, { signal: this.#signal });
    const { index, pool } = look.context;
    const until = retainUntil(this.#context);
    const writer = new BlobWriter({ store, keys, index, pool, session: this.#session, retainUntil: until });
    const wanted: { id: Buffer; word: number }[] = [];
    await index.visitRecords((record, place, id) => {
      if (!look.live.has(record) || !from.has(index.packs.hash(place.pack))) return;
      wanted.push({ id: Buffer.from(id), word: place.word });
    }, this.#signal);
    for (const { id, word } of wanted) {
      this.#signal?.throwIfAborted();
      const content = await look.context.reader.read(id, blobKind(word), this.#signal).catch(onLoss);
      // What is lost already cannot be copied; `check` names whom it harms.
      if (content) await writer.copyBlob(id, blobKind(word), content);
    }
    await writer.flush();
    this.#copied += wanted.length;
  }

  async #sweep(): Promise<Pick<PruneResult, 'waitingPacks' | 'waitingFor'> | null> {
    // The sets first, then the sessions: a set that came after the listing could have been doomed under a session
    // that came before the set and after the listing.
    await this.#context.refresh(this.#signal);
    const knownSince = this.#context.state.number;
    const atWork = await sessionsAtWork(this.#context, this.#session.id, this.#signal);
    let outcome: Pick<PruneResult, 'waitingPacks' | 'waitingFor'> = { waitingPacks: 0, waitingFor: [] };
    const done = await this.#look(async (look) => {
      const isHindered = (since: number): boolean =>
        since > knownSince || atWork.some((s) => mayRelyOn(s, since));
      const hindered = look.state.doomed.filter(({ since }) => isHindered(since));
      const ripe = look.state.doomed.filter((set) => !hindered.includes(set)).flatMap(({ packs }) => packs);
      outcome = {
        waitingPacks: hindered.flatMap(({ packs }) => packs).length,
        waitingFor: holders(atWork, hindered),
      };
      const { index } = look.context;
      const isFull = index.segmentNames.length > manySegments;
      const isTidy =
        look.state.superseded.length === 0 && index.segmentsOf(new Set(look.state.revoked)).length === 0;
      if (ripe.length === 0 && !isFull && isTidy) return true;
      return await this.#sweepPacks(look, new Set(ripe));
    });
    return done ? outcome : null;
  }

  async #sweepPacks(look: Look, ripe: ReadonlySet<string>): Promise<boolean> {
    await this.#copyLive(look, ripe);
    const merged = await this.#mergeAround(look, ripe);
    if (!merged) return false;
    const deleted = await this.#deletePacks(look, ripe);
    for (const hash of merged.superseded) await this.#context.store.delete(segmentName(hash), this.#signal);
    const doomed = merged.doomed
      .map((set) => ({ ...set, packs: set.packs.filter((hash) => !deleted.has(hash)) }))
      .filter(({ packs }) => packs.length > 0);
    const forgotten = nextState(merged, hostname(), { doomed, superseded: [] });
    // If another one was faster the sets are still there, without their packs: the next sweep forgets them.
    if (await this.#putState(forgotten))
      await removeOldStates(this.#context.store, forgotten.number, this.#signal);
    return true;
  }

  /** New segments in the place of those that name packs which go, and a state that says so; null if we were late. */
  async #mergeAround(look: Look, ripe: ReadonlySet<string>): Promise<RepositoryState | null> {
    const fresh = await this.#context.fresh(this.#signal);
    await fresh.pool.close();
    if (fresh.state.number !== look.state.number) return null;
    const isFull = fresh.index.segmentNames.length > manySegments;
    const ofRevoked = fresh.index.segmentsOf(new Set(fresh.state.revoked));
    const affected = isFull
      ? fresh.index.segmentNames
      : [...new Set([...fresh.index.segmentsNaming(ripe), ...ofRevoked])];
    // Packs are never put twice under one name, so one that is not there now never will be.
    const present = new Set(
      (await listAll(this.#context.store, 'packs/', this.#signal)).map((e) => e.name.slice(-64)),
    );
    const isGone = (hash: string): boolean => ripe.has(hash) || !present.has(hash);
    const until = retainUntil(this.#context);
    const merged = await mergeSegments(this.#context, this.#session, affected, isGone, until, this.#signal);
    const gone = new Set(affected.map((name) => name.slice('index/'.length)));
    const state = nextState(fresh.state, hostname(), {
      segments: [...fresh.state.segments.filter((hash) => !gone.has(hash)), ...merged],
      superseded: [...new Set([...fresh.state.superseded, ...gone])],
    });
    return (await this.#putState(state)) ? state : null;
  }

  async #deletePacks(look: Look, ripe: ReadonlySet<string>): Promise<Set<string>> {
    const deleted = new Set<string>();
    for (const hash of ripe) {
      try {
        await this.#context.store.delete(packName(hash), this.#signal);
      } catch (cause) {
        // The store may retain it for longer than anybody needs it: it stays doomed until then.
        if (!this.#context.store.canRetain) throw cause;
        continue;
      }
      deleted.add(hash);
      this.#deletedPacks += look.packs.has(hash) ? 1 : 0;
      this.#deletedBytes += look.packs.get(hash) ?? 0;
    }
    return deleted;
  }

  async #putState(state: RepositoryState): Promise<boolean> {
    return await putState(
      this.#context.store,
      this.#context.keys,
      this.#session.idBytes,
      state,
      this.#signal,
    );
  }
}

function holders(atWork: readonly SeenSession[], hindered: RepositoryState['doomed']): string[] {
  return atWork
    .filter((session) => hindered.some(({ since }) => mayRelyOn(session, since)))
    .map(({ id }) => id);
}

function definedOnly(limits: Partial<PruneLimits>): Partial<PruneLimits> {
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));
}
