import { show } from '../../../output.ts';
import type { CommandDefinition } from '../../../tree/command-tree.ts';

export const planShow: CommandDefinition = {
  examples: [{ command: 'corral backup plan show nightly', explains: 'its schedule and its rules' }],
  define: (command, context) => {
    command.argument('<plan>', 'name or id').action(async (plan) => {
      const client = await context.client();
      await show(
        context,
        await client.plan.show(plan, context.call),
        async () => (await import('../../../views/plan-view.ts')).planDetails,
      );
    });
  },
};
