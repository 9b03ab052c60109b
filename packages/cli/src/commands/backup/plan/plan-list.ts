import { collect, showPage } from '../../../list.ts';
import type { CommandDefinition } from '../../../tree/command-tree.ts';
import { after, limit } from '../../page-options.ts';

export const planList: CommandDefinition = {
  examples: [{ command: 'corral backup plan list', explains: 'when each ran, and runs next' }],
  define: (command, context) => {
    command
      .option(...limit)
      .option(...after)
      .action(async (options) => {
        const client = await context.client();
        const page = await collect(options, (query) => client.plan.list(query, context.call));
        await showPage(context, page, async () => (await import('../../../views/plan-view.ts')).planTable);
      });
  },
};
