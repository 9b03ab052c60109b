/** Corral's side: VMs that are there and off, started at once through the API. */
import type { Client } from '@corral/api/client.gen';
import { succeeded } from '../../test/support/operations.ts';
import { type CommandLine, commandLineOf } from './plain-start.ts';
import { untilPrompt } from './prompt.ts';

export interface CorralStart {
  /** Milliseconds from the first request until every guest has shown its prompt. */
  readonly ms: number;
  readonly commandLines: readonly CommandLine[];
}

export async function corralStart(
  client: Client,
  names: readonly string[],
  limitMs: number,
): Promise<CorralStart> {
  const began = performance.now();
  await Promise.all(
    names.map(async (name) => {
      await succeeded(client, client.vm.start(name));
      const { ticket } = await client.vm.ticket.create(name, { kind: 'console' });
      const serial = await client.vm.console(name, { ticket });
      await untilPrompt(serial, limitMs);
      serial.destroy();
    }),
  );
  const ms = performance.now() - began;
  const vms = await Promise.all(names.map((name) => client.vm.show(name)));
  const commandLines = vms.map(commandLineOf);
  await Promise.all(names.map((name) => succeeded(client, client.vm.stop(name))));
  return { ms, commandLines };
}
