/**
 * Operations in the store: every write compares the record with what was read, so of two daemons that believe they
 * own an operation one is told that it does not; and the locks change in the same transaction as the record.
 */
import { delay } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import { isId, newId } from '@corral/core/ids';
import { keyPart } from '@corral/store/check-transaction';
import type { Compare, Store, StoreEntry, TransactionStep } from '@corral/store/store';
import { operationErrors } from './errors.ts';
import type { OperationSnapshot } from './operation.ts';
import { finalStates } from './operation.ts';
import {
  blocker,
  enqueue,
  freeLock,
  hold,
  isFree,
  type LockClaim,
  type LockDocument,
  type LockTarget,
  mayHold,
  release,
} from './operation-locks.ts';
import {
  cancelKey,
  lockPrefix,
  type OperationRecord,
  parseKey,
  parseRecord,
  progressKey,
  recordKey,
  recordPrefix,
  type StoredProgress,
  snapshot,
} from './operation-record.ts';

/** An operation as it was read. */
export interface StoredOperation {
  readonly record: OperationRecord;
  /** Revision of the record: what the next write compares with. */
  readonly recordRevision: number;
  readonly createRevision: number;
  readonly cancelRequested: boolean;
  readonly snapshot: OperationSnapshot;
}

/** Errors of the store after which nothing of this try was stored, and the next may succeed. */
export const passingStoreErrors: readonly string[] = [
  'store.unavailable',
  'store.full',
  'store.input-output',
];

/** Between tries of a write whose answer was lost. */
const firstRetryMs = 20;
const longestRetryMs = 1_000;

/** Changes of locks that go with a write of the record. Throws what forbids the write. */
type LockChange = (
  lock: LockDocument,
  claim: LockClaim,
  target: LockTarget,
) => LockDocument | Promise<LockDocument>;

const unchanged: LockChange = (lock) => lock;

export class OperationRecords {
  readonly #store: Store;
  readonly #writerId = newId();
  #sequence = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** @throws operation.not-found */
  async read(id: string, signal?: AbortSignal): Promise<StoredOperation> {
    if (!isId(id)) throw operationErrors['not-found']({ id });
    const { entries } = await this.#store.list(recordKey(id), signal ? { signal } : {});
    const [stored] = groupOperations(entries);
    if (!stored) throw operationErrors['not-found']({ id });
    return stored;
  }

  /** All there are, oldest first, and the revision at which the last page was read. */
  async list(signal?: AbortSignal): Promise<{ operations: readonly StoredOperation[]; revision: number }> {
    const { entries, revision } = await this.#store.list(recordPrefix, signal ? { signal } : {});
    const operations = groupOperations(entries).toSorted((a, b) => a.createRevision - b.createRevision);
    return { operations, revision };
  }

  /**
   * Records a new operation with its locks held, or, with `queue`, waiting for them.
   *
   * @param record is `running` or `pending`, as it would be when it gets its locks or has to wait
   * @throws operation.busy when a resource is taken and `queue` is false
   */
  async create(
    granted: OperationRecord,
    waiting: OperationRecord | null,
    signal?: AbortSignal,
  ): Promise<{ record: OperationRecord; recordRevision: number }> {
    const held = await this.#write(
      granted,
      null,
      async (lock, claim, target) => {
        if (mayHold(lock, claim)) return hold(lock, claim);
        if (waiting) throw new MustWait();
        throw await this.#busy(target, blocker(lock, claim)!);
      },
      signal,
    ).catch((e: unknown) => {
      if (e instanceof MustWait) return null;
      throw e;
    });
    if (held) return held;
    return this.#write(waiting!, null, enqueue, signal);
  }

  /** Moves a waiting operation to its locks; null while somebody is before it. */
  async grant(
    next: OperationRecord,
    recordRevision: number,
    signal?: AbortSignal,
  ): Promise<{ record: OperationRecord; recordRevision: number } | null> {
    try {
      return await this.#write(
        next,
        recordRevision,
        (lock, claim) => {
          if (!mayHold(lock, claim)) throw new MustWait();
          return hold(lock, claim);
        },
        signal,
      );
    } catch (e) {
      if (e instanceof MustWait) return null;
      throw e;
    }
  }

  /**
   * Stores the next state; with a final one the locks are freed.
   *
   * @throws operation.not-owner when somebody else has written the record since `recordRevision`
   */
  save(
    next: OperationRecord,
    recordRevision: number,
    signal?: AbortSignal,
  ): Promise<{ record: OperationRecord; recordRevision: number }> {
    const ended = finalStates.has(next.execution.state);
    return this.#write(
      next,
      recordRevision,
      ended ? (lock, claim) => release(lock, claim.operationId) : unchanged,
      signal,
    );
  }

  /** Asks the daemon that runs it. False when the record has changed since it was read. */
  async requestCancel(stored: StoredOperation, signal?: AbortSignal): Promise<boolean> {
    const { id } = stored.record;
    const { succeeded } = await this.#store.transact(
      {
        compare: [{ key: recordKey(id), modRevision: stored.recordRevision }],
        then: [{ put: cancelKey(id), value: '' }],
      },
      signal ? { signal } : {},
    );
    return succeeded;
  }

  /** Only while the operation is there: a late one must not outlive it. */
  async saveProgress(id: string, progress: StoredProgress): Promise<void> {
    await this.#store.transact({
      compare: [{ key: recordKey(id), exists: true }],
      then: [{ put: progressKey(id), value: JSON.stringify(progress) }],
    });
  }

  /** Deletes records of ended operations, those that changed meanwhile excepted. */
  async delete(operations: readonly StoredOperation[], signal?: AbortSignal): Promise<void> {
    for (const { record, recordRevision } of operations) {
      await this.#store.transact(
        {
          compare: [{ key: recordKey(record.id), modRevision: recordRevision }],
          then: [{ deletePrefix: recordKey(record.id) }],
        },
        signal ? { signal } : {},
      );
    }
  }

  /**
   * Repeats itself when a lock changed in between, and when the answer was lost: the comparisons let at most one of
   * the repetitions take place, the writer's number tells whether one did, and a change of locks passes over what
   * the operation itself left there.
   */
  async #write(
    unstamped: OperationRecord,
    recordRevision: number | null,
    change: LockChange,
    signal?: AbortSignal,
  ): Promise<{ record: OperationRecord; recordRevision: number }> {
    this.#sequence += 1;
    const record = { ...unstamped, writer: { id: this.#writerId, sequence: this.#sequence } };
    for (let lost = 0; ; ) {
      try {
        const written = await this.#tryWrite(record, recordRevision, change, signal);
        if (written !== null) return { record, recordRevision: written };
      } catch (e) {
        // Once a try may have been stored, the failure of a later one tells nothing about it.
        const passing = lost > 0 && passingStoreErrors.some((code) => isCorralError(e, code));
        if (!isCorralError(e, 'store.unknown-outcome') && !passing) throw e;
        await delay(Math.min(firstRetryMs * 2 ** lost, longestRetryMs), signal);
        lost += 1;
      }
    }
  }

  /** The revision that it got, in this try or an earlier one; null when a lock changed under it. */
  async #tryWrite(
    record: OperationRecord,
    recordRevision: number | null,
    change: LockChange,
    signal?: AbortSignal,
  ): Promise<number | null> {
    const key = recordKey(record.id);
    const options = signal ? { signal } : {};
    const own: Compare =
      recordRevision === null ? { key, absent: true } : { key, modRevision: recordRevision };
    const locks = change === unchanged ? [] : await this.#changeLocks(record, change, signal);
    const transaction = {
      compare: [own, ...locks.map((lock) => lock.compare)],
      then: [
        { put: key, value: JSON.stringify(record) },
        { delete: progressKey(record.id) },
        ...(finalStates.has(record.execution.state) ? [{ delete: cancelKey(record.id) }] : []),
        ...locks.map((lock) => lock.step),
      ],
    };
    const { succeeded, revision } = await this.#store.transact(transaction, options);
    if (succeeded) return revision;
    const entry = await this.#store.get(key, options);
    if (entry && isOwnWrite(entry, record)) return entry.modRevision;
    if ((entry?.modRevision ?? null) !== recordRevision) throw lostTo(entry, record);
    return null;
  }

  async #changeLocks(
    record: OperationRecord,
    change: LockChange,
    signal?: AbortSignal,
  ): Promise<LockWrite[]> {
    const writes: LockWrite[] = [];
    for (const target of record.targets) {
      const key = lockKey(target);
      const entry = await this.#store.get(key, signal ? { signal } : {});
      const claim = { operationId: record.id, shared: target.shared };
      const next = await change(entry ? (JSON.parse(entry.value) as LockDocument) : freeLock, claim, target);
      writes.push({
        compare: entry ? { key, modRevision: entry.modRevision } : { key, absent: true },
        step: isFree(next) ? { delete: key } : { put: key, value: JSON.stringify(next) },
      });
    }
    return writes;
  }

  async #busy(target: LockTarget, by: LockClaim): Promise<Error> {
    const entry = await this.#store.get(recordKey(by.operationId));
    const title = entry ? parseRecord(entry).title : 'unknown';
    return operationErrors.busy({ target: target.key, operationId: by.operationId, title });
  }
}

interface LockWrite {
  readonly compare: Compare;
  readonly step: TransactionStep;
}

/** Leaves a write whose locks are not free; it says nothing to anybody outside of this file. */
class MustWait extends Error {}

function lockKey(target: LockTarget): string {
  return lockPrefix + keyPart(target.key);
}

function isOwnWrite(entry: StoreEntry, record: OperationRecord): boolean {
  const { writer } = parseRecord(entry);
  return writer.id === record.writer.id && writer.sequence === record.writer.sequence;
}

function lostTo(entry: StoreEntry | null, record: OperationRecord): Error {
  if (!entry) return operationErrors['not-found']({ id: record.id });
  return operationErrors['not-owner']({ id: record.id, owner: parseRecord(entry).owner });
}

/** Entries under `operation/`, in the order of keys: each record is followed by its cancel and its progress. */
export function groupOperations(entries: readonly StoreEntry[]): StoredOperation[] {
  const groups = Map.groupBy(entries, (entry) => parseKey(entry.key).id);
  return [...groups.values()].flatMap((group) => {
    const part = (name: string) => group.find((entry) => parseKey(entry.key).part === name);
    const main = part('');
    if (!main) return [];
    const record = parseRecord(main);
    const progress = part('progress');
    const stored = progress ? (JSON.parse(progress.value) as StoredProgress) : null;
    const revision = Math.max(...group.map((entry) => entry.modRevision));
    return [
      {
        record,
        recordRevision: main.modRevision,
        createRevision: main.createRevision,
        cancelRequested: part('cancel') !== undefined,
        snapshot: snapshot(record, stored, revision),
      },
    ];
  });
}
