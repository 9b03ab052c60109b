/** Runs one operation: does what the machine says, and records each state before it acts on it. */
import { abortErrors, delay } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import { operationErrors } from './errors.ts';
import type { RegisteredOperation, RegisteredStep, StepContext, UndoContext } from './operation.ts';
import { finalStates } from './operation.ts';
import {
  type MachineAction,
  type MachineEvent,
  type MachineLimits,
  type OperationPlan,
  transition,
} from './operation-machine.ts';
import { OperationHalt, type OperationObserver, type StepPhase } from './operation-observer.ts';
import { type OperationRecord, planOf } from './operation-record.ts';
import { type OperationRecords, passingStoreErrors } from './operation-records.ts';
import { toProblem } from './problem.ts';
import { ProgressWriter } from './progress-writer.ts';

export interface RunnerOptions {
  readonly records: OperationRecords;
  readonly definition: RegisteredOperation;
  readonly limits: MachineLimits;
  readonly progressIntervalMs: number;
  readonly observer: OperationObserver;
  /** Aborts when the daemon stops; its reason is operation.stopping. */
  readonly stop: AbortSignal;
  /** Aborts some time after `stop`: what could not be recorded until then stays unrecorded. */
  readonly giveUp: AbortSignal;
  /** Called after each state that was recorded. */
  readonly onRecord: (record: OperationRecord, recordRevision: number) => void;
  /** Called with what the runner bears and goes on from. */
  readonly onTrouble: (error: unknown) => void;
}

/** Results are read into memory whenever the record is: what is larger belongs into a file. */
const largestResult = 256 * 1024;

const firstSaveDelayMs = 200;
const longestSaveDelayMs = 5_000;

export class OperationRunner {
  readonly #options: RunnerOptions;
  readonly #plan: OperationPlan;
  readonly #input: unknown;
  /** Of the step under way: a cancel that comes too late for a pivot must not reach the steps after it. */
  #cancelled = new AbortController();
  #record: OperationRecord;
  #recordRevision: number;
  #applying: Promise<unknown> = Promise.resolve();

  /** @param input what the definition's parser made of the record's */
  constructor(record: OperationRecord, recordRevision: number, input: unknown, options: RunnerOptions) {
    this.#options = options;
    this.#plan = planOf(record.id, options.definition);
    this.#input = input;
    this.#record = record;
    this.#recordRevision = recordRevision;
  }

  /**
   * Runs until it ends, is stuck, or the daemon stops; in the last case it leaves the record as it stands, marked.
   *
   * @throws OperationHalt from an observer; operation.not-owner when another daemon has taken it over
   */
  async run(first: MachineAction): Promise<void> {
    const { stop } = this.#options;
    try {
      let action = first;
      while (action.type === 'run' || action.type === 'undo') {
        if (action.delayMs > 0) await delay(action.delayMs, stop);
        stop.throwIfAborted();
        action = await this.#perform(action.type, this.#options.definition.steps[action.step]!);
      }
    } catch (e) {
      if (!stop.aborted || e instanceof OperationHalt) throw e;
      await this.#park();
    }
  }

  /** Takes effect if the operation may still be cancelled. */
  async cancel(): Promise<void> {
    await this.#apply({ type: 'cancel' });
    if (this.#record.execution.state === 'cancelling')
      this.#cancelled.abort(operationErrors.cancelled({ id: this.#record.id }));
  }

  async #perform(type: 'run' | 'undo', step: RegisteredStep): Promise<MachineAction> {
    const event = type === 'run' ? await this.#runStep(step) : await this.#undoStep(step);
    const action = await this.#apply(event);
    await this.#observe(step, type === 'run' ? 'after' : 'after-undo');
    return action;
  }

  async #runStep(step: RegisteredStep): Promise<MachineEvent> {
    const { stop } = this.#options;
    this.#cancelled = new AbortController();
    using limit = new StepLimit(`The step "${step.name}"`, step.limitMs, [stop, this.#cancelled.signal]);
    const progress = this.#progressWriter(step);
    try {
      await this.#observe(step, 'before');
      limit.signal.throwIfAborted();
      const context = this.#runContext(step, limit.signal, progress);
      const result = storable(step.name, await step.run(context));
      await this.#observe(step, 'after-run');
      return { type: 'step-done', result };
    } catch (e) {
      this.#passStop(e);
      return { type: 'step-failed', problem: toProblem(e) };
    } finally {
      await progress.end();
    }
  }

  async #undoStep(step: RegisteredStep): Promise<MachineEvent> {
    using limit = new StepLimit(`Undoing the step "${step.name}"`, step.undoLimitMs, [this.#options.stop]);
    const progress = this.#progressWriter(step);
    try {
      await this.#observe(step, 'before-undo');
      await step.undo?.(this.#undoContext(step, limit.signal, progress));
      await this.#observe(step, 'after-undo-run');
      return { type: 'undo-done' };
    } catch (e) {
      this.#passStop(e);
      return { type: 'undo-failed', problem: toProblem(e) };
    } finally {
      await progress.end();
    }
  }

  /** What ends a step because the daemon ends is no failure of it: it is taken up again. */
  #passStop(e: unknown): void {
    if (e instanceof OperationHalt) throw e;
    this.#options.stop.throwIfAborted();
  }

  #runContext(
    step: RegisteredStep,
    signal: AbortSignal,
    progress: ProgressWriter,
  ): StepContext<unknown, Record<string, unknown>> {
    return {
      ...this.#context(step, signal, progress),
      within: () => this.#observe(step, 'within'),
      result: (name) => {
        const done = this.#record.execution.steps.find((each) => each.name === name && each.state === 'done');
        if (!done) throw operationErrors['no-result']({ step: name });
        return done.result;
      },
    };
  }

  #undoContext(
    step: RegisteredStep,
    signal: AbortSignal,
    progress: ProgressWriter,
  ): UndoContext<unknown, Record<string, unknown>> {
    return {
      ...this.#context(step, signal, progress),
      reason: this.#record.execution.error,
      result: (name) => this.#record.execution.steps.find((each) => each.name === name)?.result ?? undefined,
    };
  }

  #context(step: RegisteredStep, signal: AbortSignal, progress: ProgressWriter) {
    return {
      operationId: this.#record.id,
      input: this.#input,
      signal,
      attempt: this.#record.execution.steps.find((each) => each.name === step.name)?.attempts ?? 1,
      progress: (value: Parameters<ProgressWriter['report']>[0]) => progress.report(value),
    };
  }

  #progressWriter(step: RegisteredStep): ProgressWriter {
    const { records, progressIntervalMs } = this.#options;
    const { id } = this.#record;
    return new ProgressWriter(
      (progress) => records.saveProgress(id, { step: step.name, progress }),
      progressIntervalMs,
    );
  }

  async #observe(step: RegisteredStep, phase: StepPhase): Promise<void> {
    const { id: operationId, kind } = this.#record;
    await this.#options.observer({ operationId, kind, step: step.name, phase });
  }

  /** One event after the other: a cancel comes while a step runs. */
  #apply(event: MachineEvent): Promise<MachineAction> {
    const applied = this.#applying.then(() => this.#step(event));
    // Whoever called gets the error; the next event stands alone.
    this.#applying = applied.catch(() => undefined);
    return applied;
  }

  async #step(event: MachineEvent): Promise<MachineAction> {
    const { execution } = this.#record;
    const next = transition(this.#plan, execution, event, this.#options.limits);
    if (next.execution !== execution) await this.#save(this.#withExecution(next.execution));
    return next.action;
  }

  #withExecution(execution: OperationRecord['execution']): OperationRecord {
    const ended = finalStates.has(execution.state);
    const output = execution.state === 'succeeded' ? this.#output(execution.steps) : null;
    return {
      ...this.#record,
      execution,
      output,
      finishedAt: ended ? new Date().toISOString() : null,
      parked: false,
    };
  }

  #output(steps: OperationRecord['execution']['steps']): unknown {
    const results = Object.fromEntries(steps.map(({ name, result }) => [name, result]));
    try {
      return storable('output', this.#options.definition.output?.(this.#input, results));
    } catch (e) {
      // All is done and recorded; an output that cannot be made is a defect to be told, no reason to undo.
      this.#options.onTrouble(e);
      return null;
    }
  }

  /** An operation cannot go on unrecorded: while the store cannot take its state it waits. */
  async #save(next: OperationRecord): Promise<void> {
    const { records, stop, giveUp, onTrouble } = this.#options;
    for (let delayMs = firstSaveDelayMs; ; delayMs = Math.min(delayMs * 2, longestSaveDelayMs)) {
      try {
        const saved = await records.save(next, this.#recordRevision, giveUp);
        this.#record = saved.record;
        this.#recordRevision = saved.recordRevision;
        this.#options.onRecord(saved.record, saved.recordRevision);
        return;
      } catch (e) {
        if (!passingStoreErrors.some((code) => isCorralError(e, code))) throw e;
        onTrouble(e);
        await delay(delayMs, stop);
      }
    }
  }

  /** So that taking it up again does not count as a crash. Without it, it does: no harm is done. */
  async #park(): Promise<void> {
    const { records, giveUp } = this.#options;
    await this.#applying;
    try {
      await records.save({ ...this.#record, parked: true }, this.#recordRevision, giveUp);
    } catch (e) {
      this.#options.onTrouble(e);
    }
  }
}

/** Aborts with its signals, or with core.timeout when the limit passes. */
class StepLimit {
  readonly signal: AbortSignal;
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(what: string, limitMs: number | null, signals: readonly AbortSignal[]) {
    const controller = new AbortController();
    this.signal = AbortSignal.any([...signals, controller.signal]);
    if (limitMs === null) return;
    this.#timer = setTimeout(() => controller.abort(abortErrors.timeout({ what, limitMs })), limitMs);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/**
 * What comes back after a restart: so a step sees the same whether there was one in between or not.
 *
 * @throws operation.bad-result
 */
function storable(step: string, result: unknown): unknown {
  const refuse = (detail: string) => operationErrors['bad-result']({ step, detail });
  let text: string | undefined;
  try {
    text = JSON.stringify(result ?? null);
  } catch (cause) {
    throw operationErrors['bad-result']({ step, detail: 'it is no JSON' }, { cause });
  }
  if (text === undefined) throw refuse('it is no JSON');
  if (text.length > largestResult) throw refuse(`it has ${text.length} characters`);
  return JSON.parse(text);
}
