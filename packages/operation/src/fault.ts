/**
 * Faults for crash tests: a daemon started with one dies, or fails, at exactly that point of an operation.
 *
 * `vm.create/make-disks/after-run=kill-daemon`; several are separated by commas, each strikes once. `@PATH` names a
 * file that holds them, so that a daemon that runs can be given the next one.
 */
import { readFileSync, renameSync, rmSync } from 'node:fs';
import { operationErrors } from './errors.ts';
import {
  OperationHalt,
  type OperationObserver,
  type OperationPoint,
  stepPhases,
} from './operation-observer.ts';

export interface Fault {
  readonly kind: string;
  readonly step: string;
  readonly phase: OperationPoint['phase'];
  /** What happens there: may throw. */
  readonly strike: (point: OperationPoint) => void | Promise<void>;
}

export type FaultActions = Readonly<Record<string, Fault['strike']>>;

const ownActions: FaultActions = {
  /** As a power cut would, as far as this process goes: nothing is flushed, nothing is told. */
  'kill-daemon': () => {
    process.kill(process.pid, 'SIGKILL');
    return new Promise(() => undefined);
  },
  fail: (point) => {
    throw operationErrors.injected({ point: pointName(point) });
  },
  /** The operation stops dead while the process lives: what a test without a child process has for a crash. */
  halt: (point) => {
    throw new OperationHalt(`halted at ${pointName(point)}`);
  },
};

/** Once a state is recorded there is nothing left to fail. */
const recordedPhases = ['after', 'after-undo'];

export function pointName({ kind, step, phase }: Pick<OperationPoint, 'kind' | 'step' | 'phase'>): string {
  return `${kind}/${step}/${phase}`;
}

/** @param more actions beside those of this module. @throws operation.bad-fault */
export function parseFaults(text: string, more: FaultActions = {}): readonly Fault[] {
  const actions = { ...ownActions, ...more };
  return text.split(',').map((part) => parseFault(part.trim(), actions));
}

/** The observer for what an administrator of tests wrote: faults, or `@PATH`. @throws operation.bad-fault */
export function observerOfFaults(text: string, more: FaultActions = {}): OperationObserver {
  return text.startsWith('@')
    ? fileFaultObserver(text.slice(1), more)
    : faultObserver(parseFaults(text, more));
}

/**
 * Looks at each point for a file with faults. It becomes `PATH.striking` before the first of them strikes, and is gone
 * when that was done: an operation whose last point this is may be seen to have ended before.
 */
function fileFaultObserver(path: string, more: FaultActions): OperationObserver {
  return async (point) => {
    const text = readIfThere(path);
    const fault = text && parseFaults(text, more).find((each) => pointName(each) === pointName(point));
    if (!fault) return;
    const striking = `${path}.striking`;
    renameSync(path, striking);
    try {
      await fault.strike(point);
    } finally {
      rmSync(striking);
    }
  };
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw cause;
  }
}

/** Each strikes the first time that its point is reached. */
export function faultObserver(faults: readonly Fault[]): OperationObserver {
  const waiting = new Set(faults);
  return async (point) => {
    for (const fault of waiting) {
      if (pointName(fault) !== pointName(point)) continue;
      waiting.delete(fault);
      await fault.strike(point);
    }
  };
}

function parseFault(text: string, actions: FaultActions): Fault {
  const refuse = (detail: string): never => {
    throw operationErrors['bad-fault']({ text, detail });
  };
  const match = /^([^/=]+)\/([^/=]+)\/([^/=]+)=(.+)$/.exec(text);
  if (!match) return refuse('it has not this form');
  const [, kind = '', step = '', phaseName, action = ''] = match;
  const phase =
    stepPhases.find((each) => each === phaseName) ?? refuse(`its phase is none of ${stepPhases.join(', ')}`);
  const strike = actions[action] ?? refuse(`its action is none of ${Object.keys(actions).join(', ')}`);
  if (action === 'fail' && recordedPhases.includes(phase))
    return refuse(`nothing can fail ${phase} any more`);
  return { kind, step, phase, strike };
}
