import { collect, showPage } from '../../../list.ts';
import type { CommandDefinition } from '../../../tree/command-tree.ts';
import { after, limit } from '../../page-options.ts';

export const vmPortList: CommandDefinition = {
  examples: [{ command: 'corral vm port list web1', explains: 'networks and addresses' }],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .option(...limit)
      .option(...after)
      .action(async (vm, options) => {
        const client = await context.client();
        const page = await collect(options, (query) => client.vm.port.list(vm, query, context.call));
        await showPage(context, page, async () => (await import('../../../views/vm-view.ts')).portTable);
      });
  },
};
