/** Guests of the micro image: booted, talked to, and their files compared by hash. */

import { isApiProblem } from '@corral/api/api-problem';
import type { Client } from '@corral/api/client.gen';
import type { VmCreate } from '@corral/api/schemas/vm';
import type { z } from 'zod';
import { eventually, succeeded } from './operations.ts';

export type CreateRequest = z.input<typeof VmCreate>;

/** Built once per data directory, from the packages that the set-up has cached. */
export async function microImage(client: Client): Promise<void> {
  const { items } = await client.image.list();
  if (items.some(({ name }) => name === 'micro')) return;
  await succeeded(client, client.image.build({ recipe: 'micro' }));
}

/** Creates and starts a micro guest and waits until its agent answers. */
export async function bootedGuest(client: Client, request: CreateRequest): Promise<void> {
  await microImage(client);
  await succeeded(client, client.vm.create({ image: 'micro', ...request }));
  await succeeded(client, client.vm.start(request.name));
  await agentAnswers(client, request.name);
}

/** The agent comes up some seconds after the guest has begun to boot, that of a whole system after minutes. */
export async function agentAnswers(client: Client, vm: string, limitMs?: number): Promise<void> {
  await eventually(
    `the agent of ${vm} answers`,
    async () => {
      try {
        await client.guest.exec(vm, { command: ['true'], limitMs: 5000 });
        return 'it answers';
      } catch (cause) {
        if (isApiProblem(cause) && cause.code?.startsWith('agent.')) return cause.message;
        throw cause;
      }
    },
    (answer) => answer === 'it answers',
    limitMs,
  );
}

/** For work that takes a second on an idle host that emulates, and is one of many on a busy one. */
const workLimitMs = 180_000;

/** Runs a shell command in the guest. @returns its stdout. @throws when it fails */
export async function inGuest(client: Client, vm: string, command: string): Promise<string> {
  const request = { command: ['sh', '-c', command], limitMs: workLimitMs };
  const result = await client.guest.exec(vm, request, { limitMs: workLimitMs + 10_000 });
  if (result.exitCode === 0) return result.stdout;
  throw new Error(`"${command}" in ${vm} ended with ${result.exitCode}: ${result.stderr}`);
}

/** SHA-256 of a file, computed in the guest. */
export async function hashInGuest(client: Client, vm: string, path: string): Promise<string> {
  return (await inGuest(client, vm, `sha256sum ${path}`)).split(' ')[0]!;
}
