/**
 * Runs the operations of one daemon (docs/architecture.md, invariant 2): starts them, takes them up again after a
 * restart, passes on cancels, grants the locks that others free.
 */
import { isCorralError } from '@corral/core/errors';
import { newId } from '@corral/core/ids';
import type { OperationEngineOptions, StartOptions } from './engine-options.ts';
import { operationErrors } from './errors.ts';
import { type FollowOptions, followAllOperations, followOperation } from './follow-operations.ts';
import {
  finalStates,
  type Operation,
  type OperationSnapshot,
  type RegisteredOperation,
} from './operation.ts';
import { type OperationFilter, pageOf } from './operation-filter.ts';
import {
  cancelRefusal,
  type Execution,
  type MachineAction,
  type MachineEvent,
  type MachineLimits,
  type Transition,
  transition,
} from './operation-machine.ts';
import { OperationHalt } from './operation-observer.ts';
import { ending, newRecord, type OperationRecord, planOf, snapshot } from './operation-record.ts';
import { OperationRecords, type StoredOperation } from './operation-records.ts';
import { OperationRunner } from './operation-runner.ts';
import { watchOperations } from './operation-watch.ts';
import { fromProblem, toProblem } from './problem.ts';
import { defaultRetention, pruneOperations } from './prune-operations.ts';
import { WaitingOperations } from './waiting-operations.ts';

const defaultLimits: MachineLimits = { attempts: 8, firstDelayMs: 500, longestDelayMs: 30_000, crashes: 5 };

/** How long a daemon that stops tries to record what its operations came to. */
const closeGraceMs = 3_000;

/** Ended operations between two prunings. */
const pruneEvery = 100;

/** Opens the engine. It starts nothing by itself: `resumeAll` takes up what an earlier daemon left. */
export async function openOperationEngine(options: OperationEngineOptions): Promise<OperationEngine> {
  return new OperationEngine(options, await options.store.revision());
}

export class OperationEngine implements AsyncDisposable {
  readonly #options: OperationEngineOptions;
  readonly #records: OperationRecords;
  readonly #limits: MachineLimits;
  readonly #stop = new AbortController();
  readonly #giveUp = new AbortController();
  readonly #runners = new Map<string, { readonly runner: OperationRunner; readonly done: Promise<void> }>();
  readonly #waiting: WaitingOperations;
  readonly #watching: Promise<void>;
  #endedSincePrune = 0;

  /** Use `openOperationEngine`. */
  constructor(options: OperationEngineOptions, revision: number) {
    this.#options = options;
    this.#records = new OperationRecords(options.store);
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#waiting = new WaitingOperations(
      (id) => this.#grant(id),
      (e) => this.#trouble(e),
    );
    this.#watching = watchOperations({
      store: options.store,
      afterRevision: revision,
      onCancel: (id) => void this.#passCancel(id),
      onLockChange: () => this.#waiting.look(),
      onGap: () => this.#lookAround(),
      onTrouble: (e) => this.#trouble(e),
      signal: this.#stop.signal,
    });
  }

  /**
   * Records the operation and begins it. It goes on when this returns; `wait` and `follow` tell how.
   *
   * @throws operation.busy, and what the definition's input parser throws
   */
  async start<Input>(
    operation: Operation<Input>,
    input: Input,
    options: StartOptions = {},
  ): Promise<OperationSnapshot> {
    this.#stop.signal.throwIfAborted();
    const definition = this.#options.registry.get(operation.kind);
    const { id = newId(), requestedBy = null, whenBusy, signal } = options;
    const present = options.id === undefined ? null : await this.#find(id);
    if (present) return present.snapshot;
    const pending = newRecord(definition, input, { id, owner: this.#options.owner, requestedBy });
    const { execution, action } = this.#step(pending, definition, { type: 'begin' });
    const granted = { ...pending, execution, startedAt: pending.createdAt };
    const queued = whenBusy === 'queue' ? pending : null;
    const { record, recordRevision } = await this.#records.create(granted, queued, signal);
    const shown = this.#recorded(record, recordRevision);
    if (shown.state === 'pending') this.#waiting.add(id);
    else this.#launch(record, recordRevision, definition, action);
    return shown;
  }

  /** Its final state, or the first in which it is stuck. */
  async wait(id: string, signal?: AbortSignal): Promise<OperationSnapshot> {
    let latest: OperationSnapshot | undefined;
    for await (latest of this.follow(id, { signal })) if (latest.state === 'stuck') break;
    return latest ?? (await this.get(id, signal));
  }

  /** Starts it, waits, and throws the error that it ended with. @returns its output */
  async run<Input>(operation: Operation<Input>, input: Input, options: StartOptions = {}): Promise<unknown> {
    const { id, title } = await this.start(operation, input, options);
    const { state, output, error, undoError } = await this.wait(id, options.signal);
    if (state === 'succeeded') return output;
    const problem = undoError ?? error;
    const cause = problem ? fromProblem(problem) : operationErrors.cancelled({ id });
    throw state === 'stuck' ? operationErrors.stuck({ id, title }, { cause }) : cause;
  }

  /** @throws operation.not-found */
  async get(id: string, signal?: AbortSignal): Promise<OperationSnapshot> {
    return (await this.#records.read(id, signal)).snapshot;
  }

  /** Newest first, of all nodes. */
  async list(
    filter: OperationFilter = {},
  ): Promise<{ items: readonly OperationSnapshot[]; next: string | null }> {
    const { operations } = await this.#records.list(filter.signal);
    return pageOf(
      operations.map((operation) => operation.snapshot),
      filter,
    );
  }

  follow(id: string, options: FollowOptions = {}): AsyncIterable<OperationSnapshot> {
    return followOperation(this.#options.store, id, options);
  }

  followAll(options: FollowOptions = {}): AsyncIterable<OperationSnapshot> {
    return followAllOperations(this.#options.store, options);
  }

  /**
   * Asks for it; the operation ends as cancelled once all is undone. From any node.
   *
   * @throws operation.not-cancellable
   */
  async cancel(id: string, signal?: AbortSignal): Promise<OperationSnapshot> {
    for (;;) {
      const stored = await this.#records.read(id, signal);
      const { record } = stored;
      const plan = {
        operationId: id,
        cancellable: record.cancellable,
        afterCrash: 'undo',
        steps: record.plan,
      } as const;
      const reason = cancelRefusal(plan, record.execution);
      if (reason !== null) throw operationErrors['not-cancellable']({ id, title: record.title, reason });
      const { execution } = transition(plan, record.execution, { type: 'cancel' }, this.#limits);
      const accepted = finalStates.has(execution.state)
        ? await this.#end(stored, execution)
        : await this.#records.requestCancel(stored, signal);
      if (accepted) return this.get(id, signal);
    }
  }

  /**
   * Tries again what an operation is stuck in.
   *
   * @throws operation.not-stuck, operation.not-owner
   */
  async retry(id: string, signal?: AbortSignal): Promise<OperationSnapshot> {
    this.#stop.signal.throwIfAborted();
    const { record, recordRevision } = await this.#records.read(id, signal);
    const { owner, execution } = record;
    if (execution.state !== 'stuck') throw operationErrors['not-stuck']({ id, state: execution.state });
    if (owner !== this.#options.owner) throw operationErrors['not-owner']({ id, owner });
    const definition = this.#definitionOf(record);
    await this.#runners.get(id)?.done;
    const next = this.#step(record, definition, { type: 'retry' });
    return this.#goOn(record, recordRevision, definition, next);
  }

  /**
   * Takes up what the daemon of this node left behind: goes on or undoes, as each definition says. To be called once,
   * after the start. @returns what was not ended
   */
  async resumeAll(signal?: AbortSignal): Promise<readonly OperationSnapshot[]> {
    const { operations } = await this.#records.list(signal);
    const resumed: OperationSnapshot[] = [];
    for (const stored of operations) {
      const { record } = stored;
      if (record.owner !== this.#options.owner || finalStates.has(record.execution.state)) continue;
      if (!this.#runners.has(record.id)) resumed.push(await this.#resume(stored));
    }
    await this.prune(signal);
    return resumed;
  }

  /**
   * Takes over the operations of another node. Only when that node is known to be dead or fenced: what its daemon
   * still does is not stopped by this, only no longer recorded.
   */
  async adopt(owner: string, signal?: AbortSignal): Promise<readonly OperationSnapshot[]> {
    const { operations } = await this.#records.list(signal);
    const adopted: OperationSnapshot[] = [];
    for (const stored of operations) {
      const { record, recordRevision } = stored;
      if (record.owner !== owner || finalStates.has(record.execution.state)) continue;
      const own = { ...record, owner: this.#options.owner, parked: false };
      const saved = await this.#records.save(own, recordRevision, signal);
      adopted.push(await this.#resume({ ...stored, ...saved }));
    }
    return adopted;
  }

  /** Deletes ended operations that the retention does not keep. Also done by itself from time to time. */
  async prune(signal?: AbortSignal): Promise<void> {
    this.#endedSincePrune = 0;
    await pruneOperations(this.#records, { ...defaultRetention, ...this.#options.retention }, signal);
  }

  /** Stops in good order: steps under way are aborted and taken up again by the next daemon. */
  async close(): Promise<void> {
    this.#stop.abort(operationErrors.stopping());
    const grace = setTimeout(() => this.#giveUp.abort(operationErrors.stopping()), closeGraceMs);
    await this.#waiting.close();
    await Promise.all([...this.#runners.values()].map(({ done }) => done));
    await this.#watching;
    clearTimeout(grace);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #find(id: string): Promise<StoredOperation | null> {
    try {
      return await this.#records.read(id);
    } catch (e) {
      if (isCorralError(e, 'operation.not-found')) return null;
      throw e;
    }
  }

  /** @throws operation.unknown-kind, operation.definition-changed, and what the input parser refuses */
  #definitionOf({ kind, version, input }: OperationRecord): RegisteredOperation {
    const definition = this.#options.registry.get(kind);
    if (definition.version !== version) {
      throw operationErrors['definition-changed']({ kind, recorded: version, known: definition.version });
    }
    definition.input(input);
    return definition;
  }

  #step(record: OperationRecord, definition: RegisteredOperation, event: MachineEvent): Transition {
    return transition(planOf(record.id, definition), record.execution, event, this.#limits);
  }

  #launch(
    record: OperationRecord,
    recordRevision: number,
    definition: RegisteredOperation,
    action: MachineAction,
  ): void {
    const runner = new OperationRunner(record, recordRevision, definition.input(record.input), {
      records: this.#records,
      definition,
      limits: this.#limits,
      progressIntervalMs: this.#options.progressIntervalMs ?? 1_000,
      observer: this.#options.observer ?? (() => undefined),
      stop: this.#stop.signal,
      giveUp: this.#giveUp.signal,
      onRecord: (next, revision) => this.#recorded(next, revision),
      onTrouble: (e) => this.#trouble(e),
    });
    const done = this.#supervise(record.id, runner.run(action));
    this.#runners.set(record.id, { runner, done });
    void this.#passCancel(record.id);
  }

  async #supervise(id: string, running: Promise<void>): Promise<void> {
    try {
      await running;
    } catch (e) {
      if (!(e instanceof OperationHalt)) this.#trouble(e);
    } finally {
      this.#runners.delete(id);
    }
  }

  #recorded(record: OperationRecord, recordRevision: number): OperationSnapshot {
    const shown = snapshot(record, null, recordRevision);
    this.#options.onChange?.(shown);
    if (finalStates.has(shown.state)) this.#endedSincePrune += 1;
    if (this.#endedSincePrune >= pruneEvery) this.prune(this.#stop.signal).catch((e) => this.#trouble(e));
    return shown;
  }

  async #resume(stored: StoredOperation): Promise<OperationSnapshot> {
    const { record, recordRevision } = stored;
    let definition: RegisteredOperation;
    try {
      definition = this.#definitionOf(record);
    } catch (e) {
      return this.#cannotResume(stored, e);
    }
    if (record.execution.state === 'pending') this.#waiting.add(record.id);
    const next = this.#step(record, definition, { type: 'resume', clean: record.parked });
    if (next.execution === record.execution) return stored.snapshot;
    return this.#goOn(record, recordRevision, definition, next);
  }

  async #goOn(
    record: OperationRecord,
    recordRevision: number,
    definition: RegisteredOperation,
    { execution, action }: Transition,
  ): Promise<OperationSnapshot> {
    const next = { ...record, ...ending(execution), parked: false };
    const saved = await this.#records.save(next, recordRevision, this.#giveUp.signal);
    const shown = this.#recorded(saved.record, saved.recordRevision);
    if (action.type !== 'rest') this.#launch(saved.record, saved.recordRevision, definition, action);
    return shown;
  }

  /** This version does not know how: what was begun stays as it is until a version that does is back. */
  async #cannotResume({ record, recordRevision }: StoredOperation, e: unknown): Promise<OperationSnapshot> {
    const state = record.execution.state === 'pending' ? 'failed' : 'stuck';
    const execution: Execution = { ...record.execution, state, error: toProblem(e) };
    const next = { ...record, ...ending(execution) };
    const saved = await this.#records.save(next, recordRevision, this.#giveUp.signal);
    return this.#recorded(saved.record, saved.recordRevision);
  }

  /** Ends what has not begun, whoever owns it. False when it changed meanwhile. */
  async #end({ record, recordRevision }: StoredOperation, execution: Execution): Promise<boolean> {
    try {
      const next = { ...record, ...ending(execution) };
      const saved = await this.#records.save(next, recordRevision, this.#giveUp.signal);
      this.#recorded(saved.record, saved.recordRevision);
      return true;
    } catch (e) {
      if (isCorralError(e, 'operation.not-owner')) return false;
      throw e;
    }
  }

  /** @returns whether it waits no longer */
  async #grant(id: string): Promise<boolean> {
    const stored = await this.#find(id);
    if (stored?.record.execution.state !== 'pending') return true;
    const definition = this.#definitionOf(stored.record);
    const { execution, action } = this.#step(stored.record, definition, { type: 'begin' });
    const next = { ...stored.record, execution, startedAt: new Date().toISOString() };
    const granted = await this.#records.grant(next, stored.recordRevision, this.#giveUp.signal);
    if (!granted) return false;
    this.#recorded(granted.record, granted.recordRevision);
    this.#launch(granted.record, granted.recordRevision, definition, action);
    return true;
  }

  /** To a runner of this daemon, when the store says that a cancel was asked for. */
  async #passCancel(id: string): Promise<void> {
    try {
      const running = this.#runners.get(id);
      if (running && (await this.#find(id))?.cancelRequested) await running.runner.cancel();
    } catch (e) {
      if (!this.#stop.signal.aborted) this.#trouble(e);
    }
  }

  #lookAround(): void {
    for (const id of this.#runners.keys()) void this.#passCancel(id);
    this.#waiting.look();
  }

  #trouble(e: unknown): void {
    this.#options.onTrouble?.(e);
  }
}
