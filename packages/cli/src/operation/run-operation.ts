/** From the request for an operation to its end: progress, Ctrl-C, and the error if it failed. */
import { ApiProblem } from '@corral/api/api-problem';
import type { Client } from '@corral/api/client.gen';
import type { Operation } from '@corral/api/schemas/operation';
import { withLimit } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import { formatDuration } from '@corral/core/units';
import type { Context } from '../context.ts';
import { cliErrors } from '../errors.ts';
import { print, printLine } from '../output.ts';
import { progressDisplay } from './progress-display.ts';
import { type WaitOptions, waitForOperation } from './wait-for-operation.ts';

/** What `--no-wait` and `--wait-limit` say. */
export interface WaitChoice {
  readonly wait: boolean;
  /** In ms. */
  readonly waitLimit?: number | undefined;
}

type Start = (client: Client) => Promise<Operation>;
type Done = (client: Client, operation: Operation) => Promise<void>;
type Watch = Pick<WaitOptions, 'onUpdate' | 'onBreak'>;

/** A daemon is back within seconds; a host that boots takes longer. */
const giveUpMs = 120_000;

/**
 * Starts an operation and sees it through. `done` prints what came of it; with `--no-wait` the operation is printed
 * instead, as it was accepted.
 *
 * @throws what the operation failed with; cli.stuck; cli.cancelled; cli.wait-limit; cli.lost-daemon; cli.interrupted
 */
export function runOperation(context: Context, choice: WaitChoice, start: Start, done: Done): Promise<void> {
  return runToItsEnd(context, choice, start, (client, operation) => done(client, succeeded(operation)));
}

/** The same for commands that judge its end themselves: `done` gets it in whatever state it ended. */
export async function runToItsEnd(
  context: Context,
  choice: WaitChoice,
  start: Start,
  done: Done,
): Promise<void> {
  const client = await context.client();
  const operation = await start(client);
  if (choice.wait) return done(client, await watch(context, client, operation, choice.waitLimit));
  if (context.output === 'json') return print(context, operation);
  await printLine(context, `${operation.id}  ${operation.name}`);
}

/** Waits, with progress on standard error. @returns the operation, succeeded */
export async function seeThrough(
  context: Context,
  client: Client,
  operation: Operation,
  choice: Pick<WaitChoice, 'waitLimit'>,
): Promise<Operation> {
  return succeeded(await watch(context, client, operation, choice.waitLimit));
}

async function watch(
  context: Context,
  client: Client,
  operation: Operation,
  limitMs: number | undefined,
): Promise<Operation> {
  using display = progressDisplay(context.io, context.output);
  return await waitFor(context, client, operation, limitMs, {
    onUpdate: (latest) => display.show(latest),
    onBreak: () => display.note(`${operation.name}: the daemon is away; waiting for it`),
  });
}

/** Waits within the limits of the command. @throws cli.wait-limit; cli.interrupted; cli.terminated; cli.lost-daemon */
export async function waitFor(
  context: Context,
  client: Client,
  operation: Operation,
  limitMs: number | undefined,
  on: Watch,
): Promise<Operation> {
  const { id, name } = operation;
  const wait = (signal: AbortSignal): Promise<Operation> =>
    waitForOperation(client, operation, { ...on, signal, giveUpMs });
  try {
    if (limitMs === undefined) return await wait(context.signal);
    return await withLimit(name, limitMs, context.signal, wait);
  } catch (cause) {
    if (context.signal.aborted) throw leftRunning(context.signal.reason, operation);
    if (limitMs === undefined || !isCorralError(cause, 'core.timeout')) throw cause;
    throw cliErrors['wait-limit']({ name, id, limit: formatDuration(limitMs) }, { cause });
  }
}

/** @returns the operation if it succeeded. @throws what it ended with otherwise */
export function succeeded(operation: Operation): Operation {
  const { id, state, name } = operation;
  if (state === 'succeeded') return operation;
  const problem = (state === 'stuck' ? operation.undoError : null) ?? operation.error;
  const cause = problem ? new ApiProblem(problem) : undefined;
  if (state === 'stuck') {
    throw cliErrors.stuck({ id, detail: cause?.message ?? `"${name}" cannot go on.` }, { cause });
  }
  if (state === 'cancelled') throw cliErrors.cancelled({ name, id });
  throw cause ?? cliErrors.failed({ name, id });
}

function leftRunning(reason: unknown, { id, name }: Operation): Error {
  const message = `No longer waiting; "${name}" goes on. Follow it with "corral operation follow ${id}", or cancel it with "corral operation cancel ${id}".`;
  return isCorralError(reason, 'cli.terminated')
    ? cliErrors.terminated({ message })
    : cliErrors.interrupted({ message });
}
