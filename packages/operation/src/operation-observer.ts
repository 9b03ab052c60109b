/** Points at which somebody may look on, or strike: the crash tests stop an operation at each of them. */

export const stepPhases = [
  'before',
  'within',
  'after-run',
  'after',
  'before-undo',
  'after-undo-run',
  'after-undo',
] as const;

/**
 * `before`: recorded as begun, not yet run. `within`: where a step itself says so, because something beside Corral waits
 * for it just then. `after-run`: run, not yet recorded as done. `after`: recorded, together
 * with the beginning of the next step. Likewise for its undo.
 */
export type StepPhase = (typeof stepPhases)[number];

export interface OperationPoint {
  readonly operationId: string;
  readonly kind: string;
  readonly step: string;
  readonly phase: StepPhase;
}

/** What it throws makes the step, or its undo, fail at that point; `OperationHalt` ends everything there. */
export type OperationObserver = (point: OperationPoint) => void | Promise<void>;

/** Thrown by an observer: the operation stops dead and nothing more is recorded, as if the daemon had died. */
export class OperationHalt extends Error {
  override readonly name = 'OperationHalt';
}
