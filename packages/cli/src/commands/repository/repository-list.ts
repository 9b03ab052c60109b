import { collect, showPage } from '../../list.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { after, limit } from '../page-options.ts';

export const repositoryList: CommandDefinition = {
  examples: [{ command: 'corral repository list', explains: 'all that this host knows' }],
  define: (command, context) => {
    command
      .option(...limit)
      .option(...after)
      .action(async (options) => {
        const client = await context.client();
        const page = await collect(options, (query) => client.repository.list(query, context.call));
        await showPage(
          context,
          page,
          async () => (await import('../../views/repository-view.ts')).repositoryTable,
        );
      });
  },
};
