/**
 * Operations that another operation begins and waits for: a temporary VM is made, started and deleted by the same steps
 * as any other, with the same locks and the same recovery after a crash.
 */
import { isCorralError } from '@corral/core/errors';
import { finalStates, type Operation } from '@corral/operation/operation';
import type { OperationEngine } from '@corral/operation/operation-engine';

export class ChildOperations {
  readonly #engine: () => Pick<OperationEngine, 'run' | 'get' | 'cancel' | 'wait'>;

  constructor(engine: () => Pick<OperationEngine, 'run' | 'get' | 'cancel' | 'wait'>) {
    this.#engine = engine;
  }

  /** Waits for whatever holds its targets. Repeatable: the same id runs once. @throws what it fails with */
  async run<Input>(
    operation: Operation<Input>,
    input: Input,
    id: string,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#engine().run(operation, input, { id, signal, whenBusy: 'queue', requestedBy: 'corral' });
  }

  /** Sees to it that it neither runs nor will. It may never have begun. Repeatable. */
  async abandon(id: string, signal: AbortSignal): Promise<void> {
    const engine = this.#engine();
    try {
      if (finalStates.has((await engine.get(id, signal)).state)) return;
      await engine.cancel(id, signal).catch(tooLate);
      await engine.wait(id, signal);
    } catch (cause) {
      // It never began.
      if (!isCorralError(cause, 'operation.not-found')) throw cause;
    }
  }
}

/** Past its pivot an operation only goes forward, and soon ends. */
function tooLate(cause: unknown): void {
  if (!isCorralError(cause, 'operation.not-cancellable')) throw cause;
}
