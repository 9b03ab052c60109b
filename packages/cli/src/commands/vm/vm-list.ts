import { collect, showPage } from '../../list.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { after, limit } from '../page-options.ts';

export const vmList: CommandDefinition = {
  examples: [
    { command: 'corral vm list', explains: 'all VMs, by name' },
    {
      command: `corral vm list -o json | jq -r '.items[] | select(.state == "running") | .name'`,
      explains: 'names of those that run',
    },
  ],
  define: (command, context) => {
    command
      .option(...limit)
      .option(...after)
      .action(async (options) => {
        const client = await context.client();
        const page = await collect(options, (query) => client.vm.list(query, context.call));
        await showPage(context, page, async () => (await import('../../views/vm-view.ts')).vmTable);
      });
  },
};
