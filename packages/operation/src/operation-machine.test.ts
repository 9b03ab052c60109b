/** The machine alone: its rules as examples, then random histories against its invariants. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { finalStates } from './operation.ts';
import {
  cancelRefusal,
  type Execution,
  isCommitted,
  type MachineAction,
  type MachineEvent,
  type MachineLimits,
  newExecution,
  type OperationPlan,
  transition,
} from './operation-machine.ts';
import { toProblem } from './problem.ts';

const limits: MachineLimits = { attempts: 3, firstDelayMs: 100, longestDelayMs: 150, crashes: 2 };
const problem = toProblem(new Error('no'));
const failed: MachineEvent = { type: 'step-failed', problem };
const undoFailed: MachineEvent = { type: 'undo-failed', problem };
const done: MachineEvent = { type: 'step-done', result: null };
const undone: MachineEvent = { type: 'undo-done' };
const crash: MachineEvent = { type: 'resume', clean: false };

/** `a` has an undo, `b` none, `p` is a pivot with undo, `q` one without; "a p a" is a plan of three steps. */
function plan(steps: string, change: Partial<OperationPlan> = {}): OperationPlan {
  return {
    operationId: 'id',
    cancellable: true,
    afterCrash: 'undo',
    steps: steps.split(' ').map((kind, index) => ({
      name: `${kind}${index}`,
      pivot: kind === 'p' || kind === 'q',
      undoable: kind === 'a' || kind === 'p',
    })),
    ...change,
  };
}

/** The state after some events, and all that was to be done on the way: "run 0", "undo 1 after 100". */
function history(of: OperationPlan, ...events: MachineEvent[]): { execution: Execution; actions: string[] } {
  let execution = newExecution(of);
  const actions: string[] = [];
  for (const event of [{ type: 'begin' } as const, ...events]) {
    const next = transition(of, execution, event, limits);
    execution = next.execution;
    if (next.action.type === 'run' || next.action.type === 'undo') {
      const { type, step, delayMs } = next.action;
      actions.push(delayMs > 0 ? `${type} ${step} after ${delayMs}` : `${type} ${step}`);
    }
  }
  return { execution, actions };
}

describe('the machine', () => {
  test('goes through the steps to the end', () => {
    const { execution, actions } = history(
      plan('a b a'),
      done,
      { type: 'step-done', result: { x: 1 } },
      done,
    );
    assert.equal(execution.state, 'succeeded');
    assert.deepEqual(actions, ['run 0', 'run 1', 'run 2']);
    assert.deepEqual(execution.steps[1]?.result, { x: 1 });
  });

  test('undoes the failed step too, latest first, and passes those without undo', () => {
    const { execution, actions } = history(plan('a b a'), done, done, failed, undone, undone);
    assert.deepEqual(actions.slice(3), ['undo 2', 'undo 0']);
    assert.equal(execution.state, 'failed');
    assert.deepEqual(execution.error, problem);
    assert.deepEqual(new Set(execution.steps.map((step) => step.state)), new Set(['undone']));
  });

  test('repeats after the pivot, with growing delays, then is stuck, then is retried', () => {
    const { execution, actions } = history(
      plan('a p a'),
      done,
      done,
      failed,
      failed,
      failed,
      { type: 'retry' },
      done,
    );
    assert.deepEqual(actions.slice(2), ['run 2', 'run 2 after 100', 'run 2 after 150', 'run 2']);
    assert.equal(execution.state, 'succeeded');
    assert.equal(execution.error, null);
  });

  test('a pivot with undo is taken back until it is done; one without is never', () => {
    assert.deepEqual(history(plan('a p'), done, failed).actions.at(-1), 'undo 1');
    assert.deepEqual(history(plan('a q'), done, failed).actions.at(-1), 'run 1 after 100');
    assert.deepEqual(history(plan('a p'), done, crash).actions.at(-1), 'undo 1');
    assert.deepEqual(history(plan('a q'), done, crash).actions.at(-1), 'run 1');
  });

  test('an undo that fails is repeated, then stuck; a retry goes on with it', () => {
    const stuck = history(plan('a a'), failed, undoFailed, undoFailed, undoFailed);
    assert.equal(stuck.execution.state, 'stuck');
    assert.deepEqual([stuck.execution.error, stuck.execution.undoError], [problem, problem]);
    const ended = history(plan('a a'), failed, undoFailed, undoFailed, undoFailed, { type: 'retry' }, undone);
    assert.deepEqual([ended.execution.state, ended.execution.undoError], ['failed', null]);
  });

  test('a cancel leads back, whether the step under way fails or is done', () => {
    for (const end of [failed, done]) {
      const { execution, actions } = history(plan('a a b'), done, { type: 'cancel' }, end, undone, undone);
      assert.deepEqual(actions.slice(2), ['undo 1', 'undo 0']);
      assert.equal(execution.state, 'cancelled');
      assert.equal(execution.error?.code, 'operation.cancelled');
    }
  });

  test('a cancel comes too late for a pivot that gets done', () => {
    const { execution } = history(plan('a p a'), done, { type: 'cancel' }, done);
    assert.equal(execution.state, 'running');
  });

  test('a cancel is refused with the reason', () => {
    const refusal = (of: OperationPlan, ...events: MachineEvent[]) =>
      cancelRefusal(of, history(of, ...events).execution);
    assert.equal(refusal(plan('a a')), null);
    assert.match(refusal(plan('a a', { cancellable: false })) ?? '', /to its end/);
    assert.match(refusal(plan('a p a'), done, done) ?? '', /only go forward/);
    assert.match(refusal(plan('q a')) ?? '', /only go forward/);
    assert.match(refusal(plan('a'), failed) ?? '', /undone already/);
    assert.match(refusal(plan('a'), done) ?? '', /succeeded/);
  });

  test('a crash leads back or on, as the definition says; a clean stop does not count', () => {
    assert.equal(history(plan('a a'), done, crash).actions.at(-1), 'undo 1');
    const resumed = plan('a a', { afterCrash: 'resume' });
    assert.equal(history(resumed, done, crash).actions.at(-1), 'run 1');
    assert.equal(history(resumed, done, crash, crash).actions.at(-1), 'undo 1');
    const clean: MachineEvent = { type: 'resume', clean: true };
    assert.equal(history(resumed, done, clean, clean, clean, clean).actions.at(-1), 'run 1');
    assert.equal(history(plan('a p a'), done, done, crash, crash).execution.state, 'stuck');
    assert.equal(history(plan('a'), failed, crash, crash).execution.state, 'stuck');
    assert.equal(
      history(plan('a a'), done, { type: 'cancel' }, crash, undone, undone).execution.state,
      'cancelled',
    );
  });
});

const planArbitrary = fc
  .record({
    kinds: fc.array(fc.constantFrom<string>('a', 'b'), { minLength: 1, maxLength: 5 }),
    pivot: fc.option(fc.record({ at: fc.nat(4), kind: fc.constantFrom('p', 'q') })),
    cancellable: fc.boolean(),
    afterCrash: fc.constantFrom('resume' as const, 'undo' as const),
  })
  .map(({ kinds, pivot, cancellable, afterCrash }) => {
    const steps = pivot ? kinds.with(pivot.at % kinds.length, pivot.kind) : kinds;
    return plan(steps.join(' '), { cancellable, afterCrash });
  });

/** What may happen next, drawn when its turn comes: an answer to the action, or something from outside. */
const happening = fc.constantFrom('good', 'good', 'good', 'bad', 'cancel', 'crash', 'stop', 'retry');

function eventFor(what: string, action: MachineAction): MachineEvent | null {
  if (what === 'cancel' || what === 'retry') return { type: what };
  if (what === 'crash' || what === 'stop') return { type: 'resume', clean: what === 'stop' };
  if (action.type === 'run') return what === 'good' ? done : failed;
  if (action.type === 'undo') return what === 'good' ? undone : undoFailed;
  return null;
}

/** Checks one transition; `before` and `after` are states of the same operation. */
function checkTransition(
  of: OperationPlan,
  before: Execution,
  after: Execution,
  action: MachineAction,
): void {
  const busy = after.steps.filter((step) => step.state === 'running' || step.state === 'undoing');
  assert.ok(busy.length <= 1, 'one step at a time');
  if (isCommitted(of, before)) {
    assert.ok(isCommitted(of, after), 'a commitment is kept');
    assert.notEqual(action.type, 'undo', 'nothing is undone after the pivot');
  }
  if (after.state === 'succeeded') assert.ok(after.steps.every((step) => step.state === 'done'));
  if (after.state === 'failed' || after.state === 'cancelled') {
    assert.ok(
      after.steps.every((step) => step.state === 'undone' || step.state === 'waiting'),
      'nothing is left',
    );
    assert.notEqual(after.error, null);
  }
  if (action.type === 'undo') {
    const later = after.steps.slice(action.step + 1);
    assert.ok(
      later.every((step) => step.state === 'undone' || step.state === 'waiting'),
      'latest first',
    );
    assert.ok(of.steps[action.step]?.undoable);
  }
  if (action.type === 'run') {
    assert.ok(
      after.steps.slice(0, action.step).every((step) => step.state === 'done'),
      'in order',
    );
  }
  if (finalStates.has(before.state)) assert.deepEqual(after, before, 'the end is the end');
}

describe('random histories', () => {
  test('keep the invariants at each transition, and end when things go well again', () => {
    const property = fc.property(planArbitrary, fc.array(happening, { maxLength: 40 }), (of, happenings) => {
      let execution = newExecution(of);
      let action: MachineAction = { type: 'rest' };
      const happen = (event: MachineEvent) => {
        const next = transition(of, execution, event, limits);
        checkTransition(of, execution, next.execution, next.action);
        execution = next.execution;
        if (next.action.type !== 'continue') action = next.action;
      };
      happen({ type: 'begin' });
      for (const what of happenings) {
        const event = eventFor(what, action);
        if (event) happen(event);
      }
      const enough = 4 * of.steps.length + 4;
      for (let index = 0; index < enough && !finalStates.has(execution.state); index += 1) {
        happen(
          execution.state === 'stuck' ? { type: 'retry' } : (eventFor('good', action) ?? { type: 'retry' }),
        );
      }
      assert.ok(finalStates.has(execution.state), `it ended: ${execution.state}`);
    });
    fc.assert(property, { numRuns: 2_000 });
  });
});
