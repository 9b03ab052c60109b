import { say } from '../../../output.ts';
import type { CommandDefinition } from '../../../tree/command-tree.ts';
import { rulesOf, withKeepOptions } from '../../repository/retention-options.ts';
import { bandwidth, consistencyOption } from '../backup-options.ts';
import { dailyAtOption, everyOption, requiredSchedule } from './schedule-options.ts';

export const planCreate: CommandDefinition = {
  description:
    'Creates a plan by which VMs back themselves up. A run that was missed, because the host was off, is caught up once. After each backup the rules of the plan are applied to its own backups. A backup that fails raises an event.',
  examples: [
    {
      command: 'corral backup plan create nightly --repository vault --daily-at 22:30 --keep-daily 14',
      explains: 'every VM of the host; the time is UTC',
    },
    {
      command: 'corral backup plan create often --repository vault --every 15m --vm db1 --keep-last 96',
      explains: 'one VM, four times an hour, for a day',
    },
  ],
  define: (command, context) => {
    withKeepOptions(
      command
        .argument('<new-name>', 'name of the plan')
        .requiredOption('--repository <repository>', 'where to')
        .option('--vm <vm...>', 'names or ids; default: every VM of the host')
        .option(...everyOption)
        .option(...dailyAtOption)
        .addOption(consistencyOption())
        .option(...bandwidth),
    ).action(async (name, { repository, vm, every, dailyAt, consistency, bandwidth: rate, ...keep }) => {
      const client = await context.client();
      const retention = rulesOf(keep);
      const plan = await client.plan.create(
        {
          name,
          repository,
          schedule: requiredSchedule(every, dailyAt),
          ...(vm !== undefined && { vms: vm }),
          ...(consistency !== undefined && { consistency }),
          ...(rate !== undefined && { bytesPerSecond: rate }),
          ...(retention !== undefined && { retention }),
        },
        context.call,
      );
      await say(context, plan, `Plan ${name} is created; it runs first at ${plan.nextRunAt}.`);
    });
  },
};
