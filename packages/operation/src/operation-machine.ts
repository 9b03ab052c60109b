/**
 * The life of an operation as a pure function: where it stands and what happened give where it stands next and what
 * to do. No I/O, no clock; the runner does what comes out and records it first.
 *
 * One step at a time is `running` or `undoing`. Before the commitment (a pivot that is done, or one without undo
 * that has begun) a failure, a cancel or a crash leads back; after it everything leads forward, by repetition.
 */

import type { OperationState, StepState } from '@corral/core/operation-states';
import { operationErrors } from './errors.ts';
import type { Problem } from './operation.ts';
import { toProblem } from './problem.ts';

export interface StepPlan {
  readonly name: string;
  readonly pivot: boolean;
  readonly undoable: boolean;
}

/** What the machine knows of a definition. */
export interface OperationPlan {
  readonly operationId: string;
  readonly cancellable: boolean;
  readonly afterCrash: 'resume' | 'undo';
  readonly steps: readonly StepPlan[];
}

export interface StepExecution {
  readonly name: string;
  readonly state: StepState;
  /** Tries of the run or undo under way. */
  readonly attempts: number;
  /** How often the daemon died in it: a step that kills the daemon must not do so for ever. */
  readonly crashes: number;
  /** JSON; null before it is done. */
  readonly result: unknown;
}

export interface Execution {
  readonly state: OperationState;
  /** How it ends when all is undone. */
  readonly outcome: 'failed' | 'cancelled';
  readonly steps: readonly StepExecution[];
  readonly error: Problem | null;
  readonly undoError: Problem | null;
}

export type MachineEvent =
  /** It holds its locks. */
  | { readonly type: 'begin' }
  | { readonly type: 'step-done'; readonly result: unknown }
  | { readonly type: 'step-failed'; readonly problem: Problem }
  | { readonly type: 'undo-done' }
  | { readonly type: 'undo-failed'; readonly problem: Problem }
  | { readonly type: 'cancel' }
  /** The daemon is up again. `clean`: it had stopped in good order. */
  | { readonly type: 'resume'; readonly clean: boolean }
  /** A person has removed the cause of being stuck. */
  | { readonly type: 'retry' };

export type MachineAction =
  | { readonly type: 'run'; readonly step: number; readonly delayMs: number }
  | { readonly type: 'undo'; readonly step: number; readonly delayMs: number }
  /** The step under way goes on; a cancel reaches it through its signal. */
  | { readonly type: 'continue' }
  /** Nothing until somebody does something: ended, stuck, or waiting for its locks. */
  | { readonly type: 'rest' };

export interface MachineLimits {
  /** Tries of a step after the commitment, or of an undo, before the operation is stuck. */
  readonly attempts: number;
  readonly firstDelayMs: number;
  readonly longestDelayMs: number;
  /** Deaths of the daemon in one step before it is not run again. */
  readonly crashes: number;
}

export interface Transition {
  readonly execution: Execution;
  readonly action: MachineAction;
}

const rest: MachineAction = { type: 'rest' };

export function newExecution(plan: OperationPlan): Execution {
  const steps = plan.steps.map(
    ({ name }): StepExecution => ({ name, state: 'waiting', attempts: 0, crashes: 0, result: null }),
  );
  return { state: 'pending', outcome: 'failed', steps, error: null, undoError: null };
}

/** Whether it can only go forward. */
export function isCommitted(plan: OperationPlan, execution: Execution): boolean {
  return plan.steps.some((step, index) => {
    if (!step.pivot) return false;
    const { state } = execution.steps[index]!;
    return state === 'done' || (state === 'running' && !step.undoable);
  });
}

/** Why a cancel is refused now, in words that complete "cannot be cancelled: ..."; null when it is accepted. */
export function cancelRefusal(plan: OperationPlan, execution: Execution): string | null {
  switch (execution.state) {
    case 'pending':
      return null;
    case 'cancelling':
      return null;
    case 'running':
      if (!plan.cancellable) return 'this kind of operation runs to its end';
      return isCommitted(plan, execution) ? 'it is past the point from which it can only go forward' : null;
    case 'undoing':
      return 'it is being undone already';
    case 'stuck':
      return 'it is stuck; remove the cause and retry it';
    default:
      return `it has ${execution.state}`;
  }
}

/** The next state. An event that does not fit the state changes nothing. */
export function transition(
  plan: OperationPlan,
  execution: Execution,
  event: MachineEvent,
  limits: MachineLimits,
): Transition {
  const machine = new Machine(plan, execution, limits);
  const forward = execution.state === 'running' || execution.state === 'cancelling';
  switch (event.type) {
    case 'begin':
      return execution.state === 'pending' ? machine.run(0) : machine.unchanged();
    case 'step-done':
      return forward ? machine.stepDone(event.result) : machine.unchanged();
    case 'step-failed':
      return forward ? machine.stepFailed(event.problem) : machine.unchanged();
    case 'undo-done':
      return execution.state === 'undoing' ? machine.undoDone() : machine.unchanged();
    case 'undo-failed':
      return execution.state === 'undoing' ? machine.undoFailed(event.problem) : machine.unchanged();
    case 'cancel':
      return machine.cancel();
    case 'resume':
      return machine.resume(event.clean);
    case 'retry':
      return machine.retry();
  }
}

/** One transition: holds what it starts from, so that the rules below read as sentences. */
class Machine {
  readonly #plan: OperationPlan;
  readonly #execution: Execution;
  readonly #limits: MachineLimits;

  constructor(plan: OperationPlan, execution: Execution, limits: MachineLimits) {
    this.#plan = plan;
    this.#execution = execution;
    this.#limits = limits;
  }

  unchanged(): Transition {
    const busy = ['running', 'cancelling', 'undoing'].includes(this.#execution.state);
    return { execution: this.#execution, action: busy ? { type: 'continue' } : rest };
  }

  run(step: number, attempts = 1, change: Partial<Execution> = {}, delayMs = 0): Transition {
    return {
      execution: this.#with(step, { state: 'running', attempts }, { ...change, state: 'running' }),
      action: { type: 'run', step, delayMs },
    };
  }

  stepDone(result: unknown): Transition {
    const step = this.#find('running');
    const execution = this.#with(step, { state: 'done', result, crashes: 0 }, { error: null });
    const after = new Machine(this.#plan, execution, this.#limits);
    if (execution.state === 'cancelling' && !isCommitted(this.#plan, execution))
      return after.back('cancelled');
    if (step + 1 < execution.steps.length) return after.run(step + 1);
    return { execution: { ...execution, state: 'succeeded' }, action: rest };
  }

  stepFailed(problem: Problem): Transition {
    const step = this.#find('running');
    if (isCommitted(this.#plan, this.#execution)) return this.#again(step, 'running', problem);
    return this.#execution.state === 'cancelling' ? this.back('cancelled') : this.back('failed', problem);
  }

  undoDone(): Transition {
    return this.#onward(
      this.#with(this.#find('undoing'), { state: 'undone', crashes: 0 }, { undoError: null }),
    );
  }

  undoFailed(problem: Problem): Transition {
    return this.#again(this.#find('undoing'), 'undoing', problem);
  }

  cancel(): Transition {
    const { state } = this.#execution;
    if (cancelRefusal(this.#plan, this.#execution) !== null || state === 'cancelling')
      return this.unchanged();
    if (state === 'pending') {
      const error = this.#cancelled();
      return {
        execution: { ...this.#execution, state: 'cancelled', outcome: 'cancelled', error },
        action: rest,
      };
    }
    return { execution: { ...this.#execution, state: 'cancelling' }, action: { type: 'continue' } };
  }

  resume(clean: boolean): Transition {
    const { state, steps } = this.#execution;
    if (state === 'stuck') return { execution: this.#execution, action: rest };
    const running = this.#find('running');
    const step = running >= 0 ? running : this.#find('undoing');
    if (step < 0) return { execution: this.#execution, action: rest };
    const crashes = steps[step]!.crashes + (clean ? 0 : 1);
    const counted = new Machine(this.#plan, this.#with(step, { crashes }), this.#limits);
    return running >= 0 ? counted.#resumeRun(step) : counted.#resumeUndo(step);
  }

  retry(): Transition {
    if (this.#execution.state !== 'stuck') return this.unchanged();
    const running = this.#find('running');
    const step = running >= 0 ? running : this.#find('undoing');
    const fresh = new Machine(this.#plan, this.#with(step, { crashes: 0 }), this.#limits);
    return running >= 0 ? fresh.run(step) : fresh.#undo(step);
  }

  /** Turns round: the step under way and those that are done are undone, latest first. */
  back(outcome: 'failed' | 'cancelled', problem: Problem | null = null): Transition {
    const error = outcome === 'cancelled' ? this.#cancelled() : problem;
    return this.#onward({ ...this.#execution, state: 'undoing', outcome, error });
  }

  #resumeRun(step: number): Transition {
    const { steps, state } = this.#execution;
    const { attempts, crashes, name } = steps[step]!;
    const tooOften = crashes >= this.#limits.crashes;
    const interrupted = toProblem(operationErrors.interrupted({ step: name }));
    if (isCommitted(this.#plan, this.#execution)) {
      return tooOften ? this.#stuck({ error: interrupted }) : this.run(step, attempts + 1);
    }
    if (state === 'cancelling') return this.back('cancelled');
    if (this.#plan.afterCrash === 'undo' || tooOften) return this.back('failed', interrupted);
    return this.run(step, attempts + 1);
  }

  #resumeUndo(step: number): Transition {
    const { attempts, crashes, name } = this.#execution.steps[step]!;
    if (crashes < this.#limits.crashes) return this.#undo(step, attempts + 1);
    return this.#stuck({ undoError: toProblem(operationErrors.interrupted({ step: name })) });
  }

  #undo(step: number, attempts = 1, change: Partial<Execution> = {}, delayMs = 0): Transition {
    return {
      execution: this.#with(step, { state: 'undoing', attempts }, { ...change, state: 'undoing' }),
      action: { type: 'undo', step, delayMs },
    };
  }

  /** The next undo, or the end when there is none. Steps with nothing to undo are undone by being passed. */
  #onward(execution: Execution): Transition {
    const steps = [...execution.steps];
    for (let index = steps.length - 1; index >= 0; index -= 1) {
      const step = steps[index]!;
      if (step.state !== 'running' && step.state !== 'done') continue;
      if (this.#plan.steps[index]!.undoable) {
        return new Machine(this.#plan, { ...execution, steps }, this.#limits).#undo(index);
      }
      steps[index] = { ...step, state: 'undone' };
    }
    return { execution: { ...execution, steps, state: execution.outcome }, action: rest };
  }

  #again(step: number, state: 'running' | 'undoing', problem: Problem): Transition {
    const failure = state === 'running' ? { error: problem } : { undoError: problem };
    const { attempts } = this.#execution.steps[step]!;
    if (attempts >= this.#limits.attempts) return this.#stuck(failure);
    const { firstDelayMs, longestDelayMs } = this.#limits;
    const delayMs = Math.min(firstDelayMs * 2 ** (attempts - 1), longestDelayMs);
    if (state === 'running') return this.run(step, attempts + 1, failure, delayMs);
    return this.#undo(step, attempts + 1, failure, delayMs);
  }

  #stuck(failure: Partial<Execution>): Transition {
    return { execution: { ...this.#execution, ...failure, state: 'stuck' }, action: rest };
  }

  #cancelled(): Problem {
    return toProblem(operationErrors.cancelled({ id: this.#plan.operationId }));
  }

  #find(state: StepState): number {
    return this.#execution.steps.findIndex((step) => step.state === state);
  }

  #with(step: number, change: Partial<StepExecution>, rest: Partial<Execution> = {}): Execution {
    const steps = this.#execution.steps.map((each, index) =>
      index === step ? { ...each, ...change } : each,
    );
    return { ...this.#execution, ...rest, steps };
  }
}
