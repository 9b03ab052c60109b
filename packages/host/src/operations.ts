/** How services of this package begin an operation: the engine's `start`, wired by the daemon. */
import type { Operation, OperationSnapshot } from '@corral/operation/operation';

export interface StartOptions {
  readonly requestedBy: string;
}

export type StartOperation = <Input>(
  operation: Operation<Input>,
  input: Input,
  options: StartOptions,
) => Promise<OperationSnapshot>;

/** Who asks: `token ci` or `socket`. */
export interface Requester {
  readonly name: string;
}
