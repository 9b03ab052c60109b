import { show } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';

export const checkpointShow: CommandDefinition = {
  examples: [
    { command: 'corral checkpoint show web1 before-update', explains: 'what it holds, and how good it is' },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<checkpoint>', 'name or id')
      .action(async (vm, checkpoint) => {
        const client = await context.client();
        const found = await client.checkpoint.show(vm, checkpoint, context.call);
        await show(
          context,
          found,
          async () => (await import('../../views/checkpoint-view.ts')).checkpointDetails,
        );
      });
  },
};
