import { collect, showPage } from '../../../list.ts';
import type { CommandDefinition } from '../../../tree/command-tree.ts';
import { after, limit } from '../../page-options.ts';

export const keyList: CommandDefinition = {
  examples: [{ command: 'corral repository key list vault', explains: 'names and kinds; no secrets' }],
  define: (command, context) => {
    command
      .argument('<repository>', 'name or id')
      .option(...limit)
      .option(...after)
      .action(async (repository, options) => {
        const client = await context.client();
        const page = await collect(options, (query) =>
          client.repository.key.list(repository, query, context.call),
        );
        await showPage(
          context,
          page,
          async () => (await import('../../../views/repository-view.ts')).keyTable,
        );
      });
  },
};
