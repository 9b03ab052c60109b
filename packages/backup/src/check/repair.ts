/**
 * Repair: keeps what is sound and names each backup that is harmed. It runs alone; what it drops are objects that
 * nobody can read. Backups made afterwards store lost blocks again when they read them.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { RepositoryContext } from '../context.ts';
import { uuidBytes } from '../crypto/keys.ts';
import { isLoss, repositoryErrors } from '../errors.ts';
import { blobKind } from '../format/length-word.ts';
import { recordBytes, sortRecords, writeRecord } from '../index/record.ts';
import { buildSegment, segmentName } from '../index/segment-format.ts';
import { LimitedStore } from '../object-store/limited-store.ts';
import { listAll } from '../object-store/object-store.ts';
import { BlobWriter } from '../pack/blob-writer.ts';
import { entryId, entryOffset, entryWord, openDirectory, packLimit } from '../pack/pack-format.ts';
import { sessionsAtWork } from '../prune/sessions-at-work.ts';
import type { Session } from '../session/session.ts';
import { nextState, putState, type RepositoryState, stateName } from '../state/state.ts';
import { type CheckFindings, findProblems } from './check.ts';
import type { HarmedBackup } from './check-report.ts';

export interface RepairResult {
  /** Blobs that were copied out of damaged packs. */
  readonly salvagedBlobs: number;
  /** Packs that will be deleted by the next prune. */
  readonly droppedPacks: number;
  /** Packs that were listed again from their own directories. */
  readonly relistedPacks: number;
  readonly droppedSegments: number;
  /** Points that nobody can read any more: their objects are deleted. */
  readonly removedPoints: readonly string[];
  /** Other objects that were damaged and are deleted. */
  readonly removedObjects: readonly string[];
  /** Backups that lost data. What they still hold can be restored with `skipDamaged`. */
  readonly harmed: readonly HarmedBackup[];
}

/** @throws repository.append-only, repository.busy */
export async function repair(
  context: RepositoryContext,
  signal?: AbortSignal,
  sessionId?: string,
): Promise<RepairResult> {
  context.throwIfAppendOnly();
  await repairState(context, signal);
  const session = await context.beginSession('maintenance', [], signal, sessionId);
  try {
    const others = await sessionsAtWork(context, session.id, signal);
    const other = others.find(({ content }) => content !== null);
    if (other)
      throw repositoryErrors.busy({
        what: `Repair, which must be alone, and session ${other.id}`,
        attempts: 1,
      });
    const result = await new Repair(context, session, signal).run();
    await context.refresh();
    return result;
  } finally {
    await session.end();
  }
}

/** A new state on top of one that cannot be read, from the newest that can; every segment that reads counts. */
async function repairState(context: RepositoryContext, signal?: AbortSignal): Promise<void> {
  await context.refresh(signal);
  if (!context.stateDamage) return;
  const { store, keys, index, state } = context;
  const merged = index.segmentNames.map((name) => name.slice('index/'.length));
  const next = nextState(state, hostname(), { segments: merged, superseded: [] });
  if (!(await putState(store, keys, uuidBytes(randomUUID()), next, signal))) {
    throw repositoryErrors.busy({ what: 'Repairing the state', attempts: 1 });
  }
  await store.delete(stateName(state.number), signal);
  await context.refresh(signal);
}

class Repair {
  readonly #context: RepositoryContext;
  readonly #session: Session;
  readonly #signal: AbortSignal | undefined;

  constructor(context: RepositoryContext, session: Session, signal?: AbortSignal) {
    this.#context = context;
    this.#session = session;
    this.#signal = signal;
  }

  async run(): Promise<RepairResult> {
    const options = { readData: true, signal: this.#signal };
    const first = await findProblems(this.#context, options);
    // A segment that is simply gone shows only by what it leaves: packs that nobody lists, and points that miss blobs.
    const isIndexLost = first.damagedSegments.size > 0 || first.report.harmed.length > 0;
    const relistedPacks = await this.#relist(isIndexLost);
    // After that: as long as a damaged segment lies there, a repair that was cut short is seen, and prune refuses.
    await this.#dropSegments(first.damagedSegments);
    // What the lost segments named is known again: look at all of it.
    const found = relistedPacks > 0 ? await findProblems(this.#context, options) : first;
    const salvagedBlobs = await this.#salvage(found);
    const dropped = [...found.damagedPacks, ...found.missingPacks];
    if (dropped.length > 0) await this.#changeState((state) => doom(state, dropped));
    const removedPoints = await this.#removeAll(found.report.unreadable);
    const removedObjects = await this.#removeDamagedSmallObjects(found);
    const { report } = found;
    const harmed = report.harmed.map(({ point, streams }) => ({
      point,
      streams: streams.map(({ name }) => name),
    }));
    await this.#changeState((state) => ({ ...state, harmed }));
    return {
      salvagedBlobs,
      droppedPacks: dropped.length,
      relistedPacks,
      droppedSegments: first.damagedSegments.size,
      removedPoints,
      removedObjects,
      harmed: report.harmed,
    };
  }

  async #changeState(change: (state: RepositoryState) => RepositoryState): Promise<void> {
    await this.#context.refresh(this.#signal);
    const { store, keys, state } = this.#context;
    const next = nextState(state, hostname(), change(state));
    if (!(await putState(store, keys, this.#session.idBytes, next, this.#signal))) {
      throw repositoryErrors.busy({ what: 'Repair', attempts: 1 });
    }
    await this.#context.refresh(this.#signal);
  }

  async #dropSegments(names: ReadonlySet<string>): Promise<void> {
    if (names.size === 0) return;
    const hashes = [...names].map((name) => name.slice('index/'.length));
    await this.#changeState((state) => ({
      ...state,
      segments: state.segments.filter((hash) => !hashes.includes(hash)),
      superseded: [...new Set([...state.superseded, ...hashes])],
    }));
    for (const hash of hashes) await this.#context.store.delete(segmentName(hash), this.#signal);
  }

  /** Lists packs that no segment names, by their own directories. Only after a segment was lost: else they are waste. */
  async #relist(isIndexLost: boolean): Promise<number> {
    if (!isIndexLost) return 0;
    const { store, keys, index } = this.#context;
    const named = new Set(Array.from({ length: index.packs.count }, (_, pack) => index.packs.hash(pack)));
    let relisted = 0;
    for (const { name, sizeBytes } of await listAll(store, 'packs/', this.#signal)) {
      const hash = name.slice(-64);
      if (named.has(hash) || sizeBytes > packLimit) continue;
      const directory = openDirectory(keys, await store.read(name, undefined, this.#signal));
      if (!directory || directory.count === 0) continue;
      const records = Buffer.alloc(directory.count * recordBytes);
      for (let at = 0; at < directory.count; at += 1) {
        const place = { pack: 0, offset: entryOffset(directory, at), word: entryWord(directory, at) };
        writeRecord(records, at * recordBytes, entryId(directory, at), place);
      }
      const packs = Buffer.from(hash, 'hex');
      const segment = buildSegment(keys, this.#session.idBytes, sortRecords(records), packs, false);
      await store.put(segmentName(segment.hash), segment.bytes, { signal: this.#signal });
      relisted += 1;
    }
    await this.#context.refresh(this.#signal);
    return relisted;
  }

  /** Copies the sound blobs of damaged packs, unless they lie elsewhere too. */
  async #salvage(found: CheckFindings): Promise<number> {
    const { keys, index, pool, reader } = this.#context;
    const store = new LimitedStore(this.#context.store, { signal: this.#signal });
    const writer = new BlobWriter({ store, keys, index, pool, session: this.#session });
    const wanted: { id: Buffer; word: number; pack: string; offset: number }[] = [];
    await index.visitRecords((_record, { pack, offset, word }, id) => {
      const hash = index.packs.hash(pack);
      const isSalvageable = found.damagedPacks.has(hash) && !found.badPlaces.has(`${hash}:${offset}`);
      if (isSalvageable) wanted.push({ id: Buffer.from(id), word, pack: hash, offset });
    }, this.#signal);
    let salvaged = 0;
    for (const { id, ...place } of wanted) {
      const kind = blobKind(place.word);
      const content = await reader.readAt(id, kind, place, this.#signal).catch(ignoreLoss);
      if (!content) continue;
      await writer.copyBlob(id, kind, content);
      salvaged += 1;
    }
    await writer.flush();
    return salvaged;
  }

  async #removeAll(names: readonly string[]): Promise<string[]> {
    for (const name of names) await this.#context.store.delete(name, this.#signal);
    return [...names];
  }

  /** Signs of life, old states and keys that cannot be read say nothing to anybody. The last key stays. */
  async #removeDamagedSmallObjects(found: CheckFindings): Promise<string[]> {
    const damaged = found.report.problems
      .filter(({ kind }) => kind === 'damaged')
      .map(({ object }) => object);
    const removable = damaged.filter((name) => /^(sessions|states|keys|verifications)\//.test(name));
    return await this.#removeAll(removable);
  }
}

function doom(state: RepositoryState, hashes: readonly string[]): RepositoryState {
  const known = new Set(state.doomed.flatMap(({ packs }) => packs));
  const packs = [...new Set(hashes)].filter((hash) => !known.has(hash));
  return packs.length === 0
    ? state
    : { ...state, doomed: [...state.doomed, { packs, since: state.number + 1 }] };
}

function ignoreLoss(cause: unknown): undefined {
  if (!isLoss(cause)) throw cause;
}
