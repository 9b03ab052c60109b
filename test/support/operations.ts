/** Waiting for what the API began. Levels, never edges: the state is asked for until it is what was waited for. */
import type { Client } from '@corral/api/client.gen';
import type { Operation } from '@corral/api/schemas/operation';
import type { Vm } from '@corral/api/schemas/vm';

const finalStates = new Set(['succeeded', 'failed', 'cancelled', 'stuck']);

/** Follows an operation to its end, over restarts of the daemon too. */
export async function ended(client: Client, operation: Operation): Promise<Operation> {
  let last = operation;
  for await (const snapshot of client.operation.follow(operation.id)) last = snapshot;
  if (!finalStates.has(last.state)) last = await client.operation.show(operation.id);
  return last;
}

/** As `ended`; throws what it failed with. */
export async function succeeded(client: Client, begun: Promise<Operation>): Promise<Operation> {
  const operation = await ended(client, await begun);
  if (operation.state === 'succeeded') return operation;
  throw new Error(`"${operation.name}" ${operation.state}: ${operation.error?.detail}`, {
    cause: operation.error,
  });
}

const waitLimitMs = 300_000;
const askEveryMs = 50;

/** Asks until `test` accepts the answer. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T>,
  test: (answer: T) => boolean,
  limitMs = waitLimitMs,
): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (test(answer)) return answer;
    if (performance.now() > end)
      throw new Error(`${what}: not within ${limitMs} ms; last: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, askEveryMs));
  }
}

export function vmInState(client: Client, vm: string, state: Vm['state']): Promise<Vm> {
  return eventually(
    `VM ${vm} is ${state}`,
    () => client.vm.show(vm),
    (shown) => shown.state === state,
  );
}
