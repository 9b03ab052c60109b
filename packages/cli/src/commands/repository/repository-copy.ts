import { RepositoryCopyResult } from '@corral/api/schemas/repository';
import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { repeated } from '../repeated.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const repositoryCopy: CommandDefinition = {
  description:
    'Copies backups to a second repository, with its own key. What is there is left out, and a backup whose predecessor is there is copied as what changed. Ended in the middle, it leaves whole backups and goes on next time.',
  examples: [
    { command: 'corral repository copy vault --to cloud', explains: 'all that are not there yet' },
    {
      command: 'corral repository copy vault --to cloud --point 6f1c2e9a-8b77-4d0e-9c53-0a1b2c3d4e5f',
      explains: 'one backup',
    },
  ],
  define: (command, context) => {
    command
      .argument('<repository>', 'name or id of the one to copy from')
      .requiredOption('--to <repository>', 'name or id of the other one')
      .option('--point <id>', 'this backup alone; may be given several times', repeated(String))
      .option(...noWait)
      .option(...waitLimit)
      .action(async (repository, { to, point, ...choice }) => {
        const request = { to, ...(point && { points: [...point] }) };
        await runOperation(
          context,
          choice,
          (client) => client.repository.copy(repository, request, context.call),
          (_client, { output }) => {
            const result = RepositoryCopyResult.parse(output);
            const { copied, alreadyThere } = result;
            return say(context, result, `${copied} backups are copied; ${alreadyThere} were there already.`);
          },
        );
      });
  },
};
