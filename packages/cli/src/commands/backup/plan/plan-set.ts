import { say } from '../../../output.ts';
import type { CommandDefinition } from '../../../tree/command-tree.ts';
import { rulesOf, withKeepOptions } from '../../repository/retention-options.ts';
import { bandwidth, consistencyOption } from '../backup-options.ts';
import { dailyAtOption, everyOption, scheduleOf } from './schedule-options.ts';

export const planSet: CommandDefinition = {
  description:
    'Changes a backup plan; what is not given stays. The rules that are given take the place of all that it had.',
  examples: [
    { command: 'corral backup plan set nightly --daily-at 23:00', explains: 'another time' },
    {
      command: 'corral backup plan set nightly --keep-daily 7 --keep-weekly 4',
      explains: 'other rules for its backups',
    },
    { command: 'corral backup plan set nightly --all-vms', explains: 'every VM of the host' },
  ],
  define: (command, context) => {
    withKeepOptions(
      command
        .argument('<plan>', 'name or id')
        .option('--repository <repository>', 'where to')
        .option('--vm <vm...>', 'names or ids, in place of those that it had')
        .option('--all-vms', 'every VM of the host')
        .option(...everyOption)
        .option(...dailyAtOption)
        .addOption(consistencyOption())
        .option(...bandwidth),
    ).action(
      async (name, { repository, vm, allVms, every, dailyAt, consistency, bandwidth: rate, ...keep }) => {
        const client = await context.client();
        const retention = rulesOf(keep);
        const schedule = scheduleOf(every, dailyAt);
        const patch = {
          ...(repository !== undefined && { repository }),
          ...(vm !== undefined && { vms: vm }),
          ...(allVms === true && { vms: null }),
          ...(schedule && { schedule }),
          ...(consistency !== undefined && { consistency }),
          ...(rate !== undefined && { bytesPerSecond: rate }),
          ...(retention && { retention }),
        };
        const plan = await client.plan.set(name, patch, context.call);
        await say(context, plan, `Plan ${plan.name} is changed; it runs next at ${plan.nextRunAt}.`);
      },
    );
  },
};
