/** An operation as it is stored, and as everybody may see it (docs/formats/store.md, "Operations"). */

import { storeErrors } from '@corral/store/errors';
import type { StoreEntry } from '@corral/store/store';
import { finalStates, type OperationSnapshot, type Progress, type RegisteredOperation } from './operation.ts';
import { type LockTarget, lockTargets } from './operation-locks.ts';
import { cancelRefusal, type Execution, newExecution, type OperationPlan } from './operation-machine.ts';

export interface OperationRecord {
  readonly id: string;
  readonly kind: string;
  /** Of the definition that began it. */
  readonly version: number;
  readonly title: string;
  readonly input: unknown;
  readonly targets: readonly LockTarget[];
  /** Node whose daemon runs it. */
  readonly owner: string;
  readonly requestedBy: string | null;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly cancellable: boolean;
  readonly plan: OperationPlan['steps'];
  readonly execution: Execution;
  readonly output: unknown;
  /** The daemon stopped in good order: taking it up again is no sign of a crash. */
  readonly parked: boolean;
  /**
   * Who wrote this and the how-many-eth time: tells the writer, after an answer was lost, whether its own write is
   * what is stored.
   */
  readonly writer: { readonly id: string; readonly sequence: number };
}

export interface StoredProgress {
  readonly step: string;
  readonly progress: Progress;
}

export const recordPrefix = 'operation/';
export const lockPrefix = 'operation-lock/';

export const recordKey = (id: string): string => `${recordPrefix}${id}`;
export const cancelKey = (id: string): string => `${recordPrefix}${id}/cancel`;
export const progressKey = (id: string): string => `${recordPrefix}${id}/progress`;

/** `operation/<id>` and `operation/<id>/<part>`; part is '' for the record itself. */
export function parseKey(key: string): { readonly id: string; readonly part: string } {
  const [id = '', part = ''] = key.slice(recordPrefix.length).split('/');
  return { id, part };
}

export function planOf(
  id: string,
  operation: Pick<RegisteredOperation, 'cancellable' | 'afterCrash' | 'steps'>,
): OperationPlan {
  return {
    operationId: id,
    cancellable: operation.cancellable,
    afterCrash: operation.afterCrash,
    steps: operation.steps.map(({ name, pivot, undo }) => ({ name, pivot, undoable: undo !== null })),
  };
}

/** A record that waits for its locks. @throws what the definition's parser refuses */
export function newRecord(
  definition: RegisteredOperation,
  input: unknown,
  about: { readonly id: string; readonly owner: string; readonly requestedBy: string | null },
): OperationRecord {
  const stored: unknown = JSON.parse(JSON.stringify(input ?? null));
  const parsed = definition.input(stored);
  const plan = planOf(about.id, definition);
  return {
    ...about,
    kind: definition.kind,
    version: definition.version,
    title: definition.title(parsed),
    input: stored,
    targets: lockTargets(definition.target(parsed)),
    createdAt: new Date().toISOString(),
    startedAt: null,
    finishedAt: null,
    cancellable: definition.cancellable,
    plan: plan.steps,
    execution: newExecution(plan),
    output: null,
    parked: false,
    writer: { id: '', sequence: 0 },
  };
}

/** @throws store.bad-document */
export function parseRecord(entry: StoreEntry): OperationRecord {
  try {
    const json: unknown = JSON.parse(entry.value);
    if (!isRecord(json)) throw new Error('it lacks id, kind or execution');
    return json;
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw storeErrors['bad-document']({ what: 'operation', key: entry.key, detail }, { cause });
  }
}

/** Written by this package alone and guarded by the store's checksums: the outline is enough. */
function isRecord(json: unknown): json is OperationRecord {
  if (typeof json !== 'object' || json === null) return false;
  return 'id' in json && 'kind' in json && 'execution' in json && 'writer' in json && 'targets' in json;
}

/** What is stored of one operation, as everybody may see it. */
export function snapshot(
  record: OperationRecord,
  progress: StoredProgress | null,
  revision: number,
): OperationSnapshot {
  const { execution } = record;
  const plan: OperationPlan = {
    operationId: record.id,
    cancellable: record.cancellable,
    afterCrash: 'undo',
    steps: record.plan,
  };
  const underWay = execution.steps.find(({ state }) => state === 'running' || state === 'undoing');
  return {
    id: record.id,
    kind: record.kind,
    title: record.title,
    state: execution.state,
    targets: record.targets.map(({ key }) => key),
    owner: record.owner,
    requestedBy: record.requestedBy,
    createdAt: record.createdAt,
    startedAt: record.startedAt,
    finishedAt: record.finishedAt,
    steps: execution.steps.map(({ name, state, attempts }) => ({ name, state, attempts })),
    progress: progress && progress.step === underWay?.name ? progress.progress : null,
    cancellable: execution.state !== 'cancelling' && cancelRefusal(plan, execution) === null,
    error: execution.error,
    undoError: execution.undoError,
    output: record.output,
    revision,
  };
}

/** What a record says of an execution that may have ended. */
export function ending(execution: Execution): Pick<OperationRecord, 'execution' | 'finishedAt'> {
  return { execution, finishedAt: finalStates.has(execution.state) ? new Date().toISOString() : null };
}
