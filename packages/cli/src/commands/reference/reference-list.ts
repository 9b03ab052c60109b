import { collect, showPage } from '../../list.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { after, limit } from '../page-options.ts';

export const referenceList: CommandDefinition = {
  examples: [{ command: 'corral reference list web1', explains: 'those of backups move on with each' }],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .option(...limit)
      .option(...after)
      .action(async (vm, options) => {
        const client = await context.client();
        const page = await collect(options, (query) => client.reference.list(vm, query, context.call));
        await showPage(
          context,
          page,
          async () => (await import('../../views/reference-view.ts')).referenceTable,
        );
      });
  },
};
