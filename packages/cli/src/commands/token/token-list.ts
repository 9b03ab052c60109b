import { collect, showPage } from '../../list.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { after, limit } from '../page-options.ts';

export const tokenList: CommandDefinition = {
  examples: [{ command: 'corral token list', explains: 'roles, and when they end' }],
  define: (command, context) => {
    command
      .option(...limit)
      .option(...after)
      .action(async (options) => {
        const client = await context.client();
        const page = await collect(options, (query) => client.token.list(query, context.call));
        await showPage(context, page, async () => (await import('../../views/token-view.ts')).tokenTable);
      });
  },
};
