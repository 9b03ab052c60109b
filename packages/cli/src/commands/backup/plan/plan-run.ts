import type { BackupPlanRun } from '@corral/api/schemas/backup-plan';
import { say } from '../../../output.ts';
import type { CommandDefinition } from '../../../tree/command-tree.ts';

export const planRun: CommandDefinition = {
  description:
    'Runs a backup plan now. Its schedule counts from this run, and its rules are applied after each backup. It does not wait for the backups: "corral operation follow" does.',
  examples: [{ command: 'corral backup plan run nightly', explains: 'before work on the host, say' }],
  define: (command, context) => {
    command.argument('<plan>', 'name or id').action(async (plan) => {
      const client = await context.client();
      const run = await client.plan.run(plan, context.call);
      await say(context, run, sentence(plan, run));
    });
  },
};

function sentence(plan: string, { operations, refused }: BackupPlanRun): string {
  const begun = `Plan ${plan} has begun ${operations.length} backups${operations.length === 0 ? '' : `: ${operations.join(', ')}`}.`;
  return [begun, ...refused.map(({ vm, reason }) => `${vm}: ${reason}`)].join(' ');
}
