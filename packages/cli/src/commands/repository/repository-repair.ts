import { RepositoryRepairResult } from '@corral/api/schemas/repository';
import { runOperation } from '../../operation/run-operation.ts';
import { show } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const repositoryRepair: CommandDefinition = {
  description:
    'Keeps what is sound of a damaged repository: copies sound data out of damaged objects, makes a lost index again, and notes which backups lost data. Backups that nobody can read any more are removed. Nothing else may work with the repository meanwhile. Check first.',
  examples: [{ command: 'corral repository repair vault', explains: 'after a check that found damage' }],
  define: (command, context) => {
    command
      .argument('<repository>', 'name or id')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (repository, choice) => {
        await runOperation(
          context,
          choice,
          (client) => client.repository.repair(repository, context.call),
          (_client, { output }) =>
            show(
              context,
              RepositoryRepairResult.parse(output),
              async () => (await import('../../views/repository-view.ts')).repairText,
            ),
        );
      });
  },
};
