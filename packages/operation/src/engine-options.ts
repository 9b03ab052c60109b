/** What an engine needs, and what a caller may say when it starts an operation. */
import type { Store } from '@corral/store/store';
import type { OperationSnapshot } from './operation.ts';
import type { MachineLimits } from './operation-machine.ts';
import type { OperationObserver } from './operation-observer.ts';
import type { OperationRegistry } from './operation-registry.ts';
import type { Retention } from './prune-operations.ts';

export interface OperationEngineOptions {
  readonly store: Store;
  readonly registry: OperationRegistry;
  /** Name of the node: operations belong to it and are taken up by it alone. */
  readonly owner: string;
  readonly observer?: OperationObserver;
  readonly limits?: Partial<MachineLimits>;
  readonly progressIntervalMs?: number;
  readonly retention?: Partial<Retention>;
  /** Called after each state that was recorded here: for events and metrics. */
  readonly onChange?: (operation: OperationSnapshot) => void;
  /** Called with what the engine bears and goes on from, for the log. */
  readonly onTrouble?: (error: unknown) => void;
}

export interface StartOptions {
  readonly requestedBy?: string;
  /** When a resource is held: refuse with operation.busy (the default), or wait for it. */
  readonly whenBusy?: 'refuse' | 'queue';
  /**
   * A UUID chosen by the caller. If there is an operation with it already, that one is returned and nothing is
   * started: so a step that starts an operation starts one, however often it runs.
   */
  readonly id?: string;
  readonly signal?: AbortSignal;
}
