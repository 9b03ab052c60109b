import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import { wholeNumber } from '../../parse/numbers.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { rulesOf, withKeepOptions } from './retention-options.ts';

export const repositorySet: CommandDefinition = {
  description:
    'Changes the retention rules that "corral repository prune" applies (those given replace all), or tightens the policy of the repository for every host: append-only and the days of the lock can never be taken back, by nobody.',
  examples: [
    { command: 'corral repository set vault --keep-daily 14 --keep-monthly 12', explains: 'rules anew' },
    { command: 'corral repository set vault --keep-all', explains: 'no rules: everything stays' },
    {
      command: 'corral repository set vault --lock-days 30',
      explains: 'new backups cannot be deleted for 30 days',
    },
  ],
  define: (command, context) => {
    withKeepOptions(command.argument('<repository>', 'name or id'))
      .option('--keep-all', 'no rules')
      .option('--append-only', 'nothing is ever deleted again; for ever')
      .option(
        '--lock-days <days>',
        'so long nobody can delete a new backup; can only grow',
        wholeNumber('a number of days', 1, 36_500),
      )
      .option(...noWait)
      .option(...waitLimit)
      .action(async (repository, options) => {
        const retention = options.keepAll ? {} : rulesOf(options);
        const patch = {
          ...(retention && { retention }),
          ...(options.appendOnly && { appendOnly: true as const }),
          ...(options.lockDays !== undefined && { lockDays: options.lockDays }),
        };
        await runOperation(
          context,
          options,
          (client) => client.repository.set(repository, patch, context.call),
          async (client) =>
            say(
              context,
              await client.repository.show(repository, context.call),
              `Repository ${repository} is changed.`,
            ),
        );
      });
  },
};
