/**
 * What an operation is: whatever changes something runs as one (docs/architecture.md, invariant 2).
 *
 * ```
 *            queued                       cancel                undo of all started steps, latest first
 *  start ─► pending ─► running ───────────► cancelling ─► undoing ─► cancelled
 *                │        │  step fails before the pivot ────┘  └──► failed
 *                │        └─► succeeded                      undo fails again and again
 *                │        └─ step fails again and again after the pivot ─► stuck ─ retry ─► running | undoing
 *                └─ cancel ─► cancelled
 * ```
 *
 * Every step is repeatable: after a crash it may run again although it had already done its work. Its undo copes
 * with a step that was begun and left half-done, or not begun at all.
 */
import type { OperationState, StepState } from '@corral/core/operation-states';
import { operationErrors } from './errors.ts';

/** An operation in one of these has ended and holds nothing any more. */
export const finalStates: ReadonlySet<OperationState> = new Set(['succeeded', 'failed', 'cancelled']);

/** How far it is, as the step that runs tells it. */
export interface Progress {
  readonly done: number;
  /** Null while nobody can know it. */
  readonly total: number | null;
  readonly unit: 'bytes' | 'steps' | 'percent' | 'items';
  /** What is being done, for people. */
  readonly message: string;
}

/** An error as it is stored and sent: the registry's code brings it back with the same code, status and params. */
export interface Problem {
  /** From the error registry, or null for an error that Corral did not expect. */
  readonly code: string | null;
  readonly status: number;
  readonly title: string;
  readonly message: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly cause: Problem | null;
}

export interface StepSnapshot {
  readonly name: string;
  readonly state: StepState;
  /** Tries of the run or undo under way, the first included. */
  readonly attempts: number;
}

/** An operation as everybody may see it. Times are ISO 8601 in UTC. */
export interface OperationSnapshot {
  readonly id: string;
  readonly kind: string;
  /** One line for people: "Create VM web1". */
  readonly title: string;
  readonly state: OperationState;
  /** Resource keys it locks, or locked. */
  readonly targets: readonly string[];
  /** The node whose daemon runs it. */
  readonly owner: string;
  /** Who asked for it, as the caller named them. */
  readonly requestedBy: string | null;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly steps: readonly StepSnapshot[];
  readonly progress: Progress | null;
  /** Whether a cancel would be accepted now. */
  readonly cancellable: boolean;
  /** Why it failed, is being undone or is stuck. */
  readonly error: Problem | null;
  /** What went wrong while it was undone, when that is what it is stuck in. */
  readonly undoError: Problem | null;
  /** What `output` of its definition made when it succeeded. */
  readonly output: unknown;
  /** The store's revision of this state: give it to `follow` to go on from here. */
  readonly revision: number;
}

/** What a step gets. `Results` maps the names of steps to what they return. */
export interface StepContext<Input, Results> {
  readonly operationId: string;
  readonly input: Input;
  /**
   * Aborts on cancel, at the step's limit, and when the daemon stops. The engine waits for the step to end before
   * it undoes anything, so a step that ignores it holds up everything.
   */
  readonly signal: AbortSignal;
  /** 1 at the first try; after a crash the tries before it count too. */
  readonly attempt: number;
  /** Result of a step that is done. @throws operation.no-result when it is not */
  result<Name extends keyof Results & string>(name: Name): Results[Name];
  /** Lets an observer look on, or strike, in the midst of the step (`within` of operation-observer.ts). */
  within(): Promise<void>;
  /** Kept by the store at most once per interval, so it may be called for every block. Never fails. */
  progress(progress: Progress): void;
}

export interface UndoContext<Input, Results> extends Omit<StepContext<Input, Results>, 'result' | 'within'> {
  /** Result of a step, or undefined when it did not come so far: the step being undone may be half-done. */
  result<Name extends keyof Results & string>(name: Name): Results[Name] | undefined;
  /** Why the operation is undone. */
  readonly reason: Problem | null;
}

export interface OperationStep<Input, Results, Name extends keyof Results & string> {
  /** Unique in the operation, kebab-case, never changes: crash tests and records name it. */
  readonly name: Name;
  /** Repeatable. Its result must survive JSON; null stands for none. */
  run(context: StepContext<Input, Results>): Promise<Results[Name]>;
  /**
   * Repeatable, and right whether the step is done, half-done or not begun. A step without it has nothing to undo.
   */
  undo?(context: UndoContext<Input, Results>): Promise<void>;
  /**
   * When this step is done the operation only goes forward. A pivot without `undo` cannot be taken back from the
   * moment it has begun.
   */
  readonly pivot?: true;
  /** Limit of one try of `run`, in ms. */
  readonly limitMs?: number;
  /** Limit of one try of `undo`, in ms. */
  readonly undoLimitMs?: number;
}

/** The steps in any mixture of names; each returns what `Results` says. */
export type AnyStep<Input, Results> = {
  [Name in keyof Results & string]: OperationStep<Input, Results, Name>;
}[keyof Results & string];

/** A resource that the operation locks from its start to its end: `vm/<id>`, `image/<id>`. */
export type Target = string | { readonly shared: string };

export interface OperationDefinition<Input, Results extends object = Record<string, unknown>> {
  /** `vm.create`: resource and verb, kebab-case, never changes. */
  readonly kind: string;
  /** Raised when steps or their results change so that a record of the older form cannot be taken up. Default 1. */
  readonly version?: number;
  /** Checks what came in, and what is read back after a restart: the parse of a schema. Throws what it refuses. */
  readonly input: (json: unknown) => Input;
  /**
   * Resource keys to lock. One operation at a time holds a key; those that say `shared` hold it together.
   */
  target(input: Input): readonly Target[];
  /** One line for people. */
  title(input: Input): string;
  /** Whether people may cancel it before its pivot. */
  readonly cancellable: boolean;
  /** After a crash of the daemon before the pivot: go on, or go back (the default). After the pivot it goes on. */
  readonly afterCrash?: 'resume' | 'undo';
  readonly steps: readonly AnyStep<Input, Results>[];
  /** What the operation gives back when it has succeeded. */
  output?(input: Input, results: Results): unknown;
}

/** A definition whose types are forgotten, as registry and engine keep them: `input` guards what goes in. */
export interface RegisteredOperation {
  readonly kind: string;
  readonly version: number;
  readonly cancellable: boolean;
  readonly afterCrash: 'resume' | 'undo';
  readonly input: (json: unknown) => unknown;
  readonly target: (input: unknown) => readonly Target[];
  readonly title: (input: unknown) => string;
  readonly steps: readonly RegisteredStep[];
  readonly output: ((input: unknown, results: Record<string, unknown>) => unknown) | null;
}

export interface RegisteredStep {
  readonly name: string;
  readonly pivot: boolean;
  readonly limitMs: number | null;
  readonly undoLimitMs: number | null;
  readonly run: (context: StepContext<unknown, Record<string, unknown>>) => Promise<unknown>;
  readonly undo: ((context: UndoContext<unknown, Record<string, unknown>>) => Promise<void>) | null;
}

/** A kind of operation, ready for the registry. `Input` is kept for callers that start it. */
export interface Operation<Input> extends RegisteredOperation {
  /** Only a type: what `start` takes. */
  readonly inputType?: Input;
}

const kindPattern = /^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)+$/;
const stepPattern = /^[a-z][a-z0-9-]*$/;

/**
 * Checks a definition and readies it for the registry.
 *
 * @throws operation.bad-definition on names out of form or twice, no step, or more than one pivot
 */
export function defineOperation<Input, Results extends object = Record<string, unknown>>(
  definition: OperationDefinition<Input, Results>,
): Operation<Input> {
  checkDefinition(definition);
  return {
    kind: definition.kind,
    version: definition.version ?? 1,
    cancellable: definition.cancellable,
    afterCrash: definition.afterCrash ?? 'undo',
    input: definition.input,
    target: (input) => definition.target(input as Input),
    title: (input) => definition.title(input as Input),
    steps: definition.steps.map((step) => ({
      name: step.name,
      pivot: step.pivot ?? false,
      limitMs: step.limitMs ?? null,
      undoLimitMs: step.undoLimitMs ?? null,
      run: (context) => step.run(context as StepContext<Input, Results>),
      undo: step.undo ? (context) => step.undo!(context as UndoContext<Input, Results>) : null,
    })),
    output: definition.output
      ? (input, results) => definition.output!(input as Input, results as Results)
      : null,
  };
}

function checkDefinition<Input, Results extends object>(
  definition: OperationDefinition<Input, Results>,
): void {
  const { kind, steps } = definition;
  const refuse = (detail: string): never => {
    throw operationErrors['bad-definition']({ kind, detail });
  };
  if (!kindPattern.test(kind)) refuse('its kind is not of the form resource.verb');
  if (steps.length === 0) refuse('it has no step');
  const names = steps.map((step) => step.name);
  const odd = names.find((name) => !stepPattern.test(name));
  if (odd !== undefined) refuse(`its step "${odd}" is not in kebab-case`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) refuse(`it has two steps "${twice}"`);
  if (steps.filter((step) => step.pivot).length > 1) refuse('it has more than one pivot');
}
