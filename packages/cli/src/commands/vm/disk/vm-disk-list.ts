import { collect, showPage } from '../../../list.ts';
import type { CommandDefinition } from '../../../tree/command-tree.ts';
import { after, limit } from '../../page-options.ts';

export const vmDiskList: CommandDefinition = {
  examples: [{ command: 'corral vm disk list web1', explains: 'names, sizes, files' }],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .option(...limit)
      .option(...after)
      .action(async (vm, options) => {
        const client = await context.client();
        const page = await collect(options, (query) => client.vm.disk.list(vm, query, context.call));
        await showPage(context, page, async () => (await import('../../../views/vm-view.ts')).diskTable);
      });
  },
};
