import { show } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';

export const operationShow: CommandDefinition = {
  examples: [{ command: 'corral operation show 2f1c...', explains: 'steps, progress, what went wrong' }],
  define: (command, context) => {
    command.argument('<operation>', 'its id').action(async (id) => {
      const client = await context.client();
      const operation = await client.operation.show(id, context.call);
      await show(
        context,
        operation,
        async () => (await import('../../views/operation-view.ts')).operationDetails,
      );
    });
  },
};
