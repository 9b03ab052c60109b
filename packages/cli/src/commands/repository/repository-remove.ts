import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const repositoryRemove: CommandDefinition = {
  description:
    'Forgets a repository and its secrets on this host. What it holds stays where it lies; "corral repository connect" takes it up again.',
  examples: [{ command: 'corral repository remove vault', explains: 'nothing is deleted in /backup' }],
  define: (command, context) => {
    command
      .argument('<repository>', 'name or id')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (repository, choice) => {
        await runOperation(
          context,
          choice,
          (client) => client.repository.remove(repository, context.call),
          (_client, operation) =>
            say(context, operation, `Repository ${repository} is forgotten; its content stays.`),
        );
      });
  },
};
