/**
 * Fails and crashes an operation at every step and phase in turn, and looks whether it ended well: done, or with
 * nothing left over and the next try working. A definition's own test walks through `crashScenarios`.
 */
import assert from 'node:assert/strict';
import { openMemoryStore } from '@corral/store/memory-store';
import type { Store } from '@corral/store/store';
import { type Fault, faultObserver, parseFaults } from './fault.ts';
import type { Operation, OperationSnapshot, RegisteredOperation } from './operation.ts';
import { finalStates } from './operation.ts';
import { type OperationEngine, openOperationEngine } from './operation-engine.ts';
import type { OperationObserver } from './operation-observer.ts';
import { OperationRegistry } from './operation-registry.ts';

/** The world in which one scenario takes place: fresh each time. */
export interface OperationWorld<Input> extends AsyncDisposable {
  readonly operation: Operation<Input>;
  readonly input: Input;
  /** What the operation left behind that it must not leave when it did not succeed, each by a name. */
  leftOvers(): Promise<readonly string[]>;
  /** What must hold after it succeeded. */
  check?(operation: OperationSnapshot): Promise<void>;
  /** The daemon died and is up again: forget what it had in memory. */
  restart?(): Promise<void>;
}

export interface CrashScenario {
  readonly name: string;
  readonly faults: readonly string[];
  /** At the point of which step a cancel comes. */
  readonly cancelAt: string | null;
}

const quickLimits = { attempts: 3, firstDelayMs: 1, longestDelayMs: 1 };
const scenarioLimitMs = 30_000;

/** Every step failing and crashing in each phase, every undo likewise, and a cancel at each step. */
export function crashScenarios(operation: RegisteredOperation): readonly CrashScenario[] {
  const { kind, steps } = operation;
  const scenarios: CrashScenario[] = [{ name: 'nothing goes wrong', faults: [], cancelAt: null }];
  const add = (name: string, faults: readonly string[], cancelAt: string | null = null) =>
    scenarios.push({ name, faults: faults.map((fault) => `${kind}/${fault}`), cancelAt });
  for (const { name } of steps) {
    for (const phase of ['before', 'after-run']) add(`${name} fails ${phase}`, [`${name}/${phase}=fail`]);
    for (const phase of ['before', 'after-run', 'after'])
      add(`death ${phase} ${name}`, [`${name}/${phase}=halt`]);
    if (operation.cancellable) add(`a cancel at ${name}`, [], name);
  }
  for (const { name, end } of undonePairs(operation)) {
    const failing = `${end}/after-run=fail`;
    add(`undo of ${name} fails once`, [failing, `${name}/before-undo=fail`]);
    add(`undo of ${name} fails after its work`, [failing, `${name}/after-undo-run=fail`]);
    for (const phase of ['before-undo', 'after-undo-run', 'after-undo']) {
      add(`death ${phase} of ${name}`, [failing, `${name}/${phase}=halt`]);
    }
  }
  return scenarios;
}

/** Each step with an undo, and the last step whose failure leads back through it. */
function undonePairs({ steps }: RegisteredOperation): { name: string; end: string }[] {
  const pivot = steps.findIndex((step) => step.pivot);
  const last = pivot < 0 ? steps.length - 1 : steps[pivot]!.undo ? pivot : pivot - 1;
  const end = steps[last];
  if (!end) return [];
  return steps
    .slice(0, last + 1)
    .filter((step) => step.undo)
    .map(({ name }) => ({ name, end: end.name }));
}

/** @throws AssertionError when it did not end, or left something over, or could not be run again */
export async function runScenario<Input>(
  scenario: CrashScenario,
  open: () => Promise<OperationWorld<Input>>,
): Promise<void> {
  const signal = AbortSignal.timeout(scenarioLimitMs);
  await using world = await open();
  await using store = openMemoryStore();
  const faults = scenario.faults.flatMap((text) => parseFaults(text));
  const ended = await runThroughCrashes(world, store, scenario, faults, signal);
  await judge(world, ended);
  if (ended.state === 'succeeded') return;
  await using engine = await openEngine(world, store, () => undefined);
  const { id } = await engine.start(world.operation, world.input);
  const again = await engine.wait(id, signal);
  assert.equal(again.state, 'succeeded', `the next try: ${JSON.stringify(again.error)}`);
  await world.check?.(again);
}

async function judge<Input>(world: OperationWorld<Input>, ended: OperationSnapshot): Promise<void> {
  const about = JSON.stringify({
    state: ended.state,
    steps: ended.steps,
    error: ended.error,
    undo: ended.undoError,
  });
  assert.ok(finalStates.has(ended.state), `it did not end: ${about}`);
  if (ended.state === 'succeeded') await world.check?.(ended);
  else assert.deepEqual(await world.leftOvers(), [], `left over after ${about}`);
}

/** One daemon after the other, until the operation rests. */
async function runThroughCrashes<Input>(
  world: OperationWorld<Input>,
  store: Store,
  scenario: CrashScenario,
  faults: readonly Fault[],
  signal: AbortSignal,
): Promise<OperationSnapshot> {
  const crash = new Crash(faults);
  const cancel = new CancelAt(scenario.cancelAt);
  const observer: OperationObserver = async (point) => {
    await cancel.observe(point.operationId, point.step);
    await crash.observer(point);
  };
  let id: string | null = null;
  for (;;) {
    const died = crash.next();
    await using engine = await openEngine(world, store, observer);
    cancel.engine = engine;
    if (id === null) ({ id } = await engine.start(world.operation, world.input));
    else await engine.resumeAll();
    const ended = await Promise.race([engine.wait(id, signal), died]);
    if (ended) return ended;
    await engine.close();
    await world.restart?.();
  }
}

function openEngine<Input>(
  world: OperationWorld<Input>,
  store: Store,
  observer: OperationObserver,
): Promise<OperationEngine> {
  const registry = new OperationRegistry([world.operation]);
  return openOperationEngine({ store, registry, owner: 'node', observer, limits: quickLimits });
}

/** Passes the faults on, and tells when one of them was a death. */
class Crash {
  readonly observer: OperationObserver;
  #died = Promise.withResolvers<null>();

  constructor(faults: readonly Fault[]) {
    const strike = faultObserver(faults);
    this.observer = async (point) => {
      try {
        await strike(point);
      } catch (e) {
        if (e instanceof Error && e.name === 'OperationHalt') this.#died.resolve(null);
        throw e;
      }
    };
  }

  /** Resolves at the next death. */
  next(): Promise<null> {
    this.#died = Promise.withResolvers();
    return this.#died.promise;
  }
}

/** Asks for a cancel when a step begins, once. */
class CancelAt {
  engine: OperationEngine | null = null;
  #step: string | null;

  constructor(step: string | null) {
    this.#step = step;
  }

  async observe(operationId: string, step: string): Promise<void> {
    if (step !== this.#step) return;
    this.#step = null;
    const { cancellable } = await this.engine!.get(operationId);
    if (cancellable) await this.engine!.cancel(operationId);
  }
}
