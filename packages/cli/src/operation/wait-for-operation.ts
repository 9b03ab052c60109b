/** Waits until an operation has ended, across restarts of the daemon: it goes on with the operation, we with following. */
import type { Client } from '@corral/api/client.gen';
import type { Operation } from '@corral/api/schemas/operation';
import { cliErrors } from '../errors.ts';

export interface WaitOptions {
  readonly signal: AbortSignal;
  readonly onUpdate: (operation: Operation) => void;
  /** The daemon went away and is being looked for; called before each try. */
  readonly onBreak?: () => void;
  /** How long the daemon may be away at a stretch. A host that boots again takes a while. */
  readonly giveUpMs: number;
}

/** It holds nothing any more, or nothing will move it without an administrator. */
export function hasEnded({ state }: Operation): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled' || state === 'stuck';
}

/**
 * @returns the operation in its last state, whatever that is
 * @throws cli.lost-daemon; what the daemon refuses with; the signal's reason
 */
export async function waitForOperation(
  client: Client,
  operation: Operation,
  options: WaitOptions,
): Promise<Operation> {
  let latest = operation;
  options.onUpdate(latest);
  if (hasEnded(latest)) return latest;
  const { signal, giveUpMs, onBreak } = options;
  try {
    const updates = client.operation.follow(
      operation.id,
      { after: operation.revision },
      { signal, giveUpMs, ...(onBreak && { onBreak }) },
    );
    for await (latest of updates) {
      options.onUpdate(latest);
      if (hasEnded(latest)) return latest;
    }
    // It had ended before we began to follow, and the stream had nothing to add.
    return await client.operation.show(operation.id, { signal });
  } catch (cause) {
    signal.throwIfAborted();
    throw isLost(cause) ? lostDaemon(operation, giveUpMs, cause) : cause;
  }
}

export function isLost(cause: unknown): boolean {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return code === 'client.no-daemon' || code === 'client.unreachable' || code === 'api.stopping';
}

function lostDaemon({ id, name }: Operation, forMs: number, cause: unknown): Error {
  return cliErrors['lost-daemon'](
    {
      what: `"${name}" was under way`,
      forMs,
      fix: `The operation goes on when it is back: "corral operation follow ${id}".`,
    },
    { cause },
  );
}
