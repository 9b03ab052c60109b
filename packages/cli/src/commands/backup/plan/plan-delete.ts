import { say } from '../../../output.ts';
import type { CommandDefinition } from '../../../tree/command-tree.ts';

export const planDelete: CommandDefinition = {
  description: 'Deletes a backup plan. Its backups stay, and so do the rules of their repository.',
  examples: [{ command: 'corral backup plan delete nightly', explains: 'it runs no more' }],
  define: (command, context) => {
    command.argument('<plan>', 'name or id').action(async (plan) => {
      const client = await context.client();
      await client.plan.delete(plan, context.call);
      await say(context, {}, `Plan ${plan} is deleted.`);
    });
  },
};
