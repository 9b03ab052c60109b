import { collect, showPage } from '../../list.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { after, limit } from '../page-options.ts';

export const imageList: CommandDefinition = {
  examples: [{ command: 'corral image list', explains: 'all images' }],
  define: (command, context) => {
    command
      .option(...limit)
      .option(...after)
      .action(async (options) => {
        const client = await context.client();
        const page = await collect(options, (query) => client.image.list(query, context.call));
        await showPage(context, page, async () => (await import('../../views/image-view.ts')).imageTable);
      });
  },
};
