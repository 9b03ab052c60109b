import { collect, showPage } from '../../list.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { after, limit } from '../page-options.ts';

export const volumeList: CommandDefinition = {
  examples: [{ command: 'corral volume list', explains: 'all volumes' }],
  define: (command, context) => {
    command
      .option(...limit)
      .option(...after)
      .action(async (options) => {
        const client = await context.client();
        const page = await collect(options, (query) => client.volume.list(query, context.call));
        await showPage(context, page, async () => (await import('../../views/volume-view.ts')).volumeTable);
      });
  },
};
