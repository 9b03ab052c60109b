import type { Client } from '@corral/api/client.gen';
import type { PortSettings } from '@corral/api/schemas/vm-settings';
import type { Context } from '../../../context.ts';
import { collect } from '../../../list.ts';
import { runOperation } from '../../../operation/run-operation.ts';
import { say } from '../../../output.ts';
import { parsePortSource } from '../../../parse/port-source.ts';
import type { CommandDefinition } from '../../../tree/command-tree.ts';
import { noWait, waitLimit } from '../../wait-options.ts';

export const vmPortAdd: CommandDefinition = {
  description:
    'Adds a network port; a running VM sees it at once. "user" reaches out through the host and needs no privilege, "bridge:NAME" joins a bridge of the host.',
  examples: [
    { command: 'corral vm port add web1 bridge:br0', explains: 'on a bridge' },
    { command: 'corral vm port add web1 user,model=e1000,name=old', explains: 'for a guest without virtio' },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<network>', 'user or bridge:NAME, with [,model=virtio|e1000][,name=PORT]', parsePortSource)
      .option(...noWait)
      .option(...waitLimit)
      .action(async (vm, port, choice) => {
        const before = new Set<string>();
        await runOperation(
          context,
          choice,
          async (client) => {
            for (const { id } of await ports(client, vm, context)) before.add(id);
            return client.vm.port.add(vm, port, context.call);
          },
          async (client) => {
            // The daemon chooses the name where none was given: the new port is the one that was not there.
            const added = (await ports(client, vm, context)).find(({ id }) => !before.has(id)) ?? null;
            await say(context, added, `Port ${added?.name ?? ''} is added to ${vm}.`);
          },
        );
      });
  },
};

async function ports(client: Client, vm: string, context: Context): Promise<readonly PortSettings[]> {
  return (await collect({}, (query) => client.vm.port.list(vm, query, context.call))).items;
}
