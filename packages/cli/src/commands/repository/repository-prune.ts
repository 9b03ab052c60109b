import { RepositoryPruneResult } from '@corral/api/schemas/repository';
import { runOperation } from '../../operation/run-operation.ts';
import { show } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const repositoryPrune: CommandDefinition = {
  description:
    'Deletes the backups that no retention rule keeps, and frees the space that no backup needs. Backups may run meanwhile, of this host and of others: what they need stays.',
  examples: [
    { command: 'corral repository prune vault', explains: 'by the rules of "corral repository set"' },
    { command: 'corral repository prune vault --no-retention', explains: 'free space only' },
  ],
  define: (command, context) => {
    command
      .argument('<repository>', 'name or id')
      .option('--no-retention', 'delete no backup')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (repository, { retention, ...choice }) => {
        await runOperation(
          context,
          choice,
          (client) => client.repository.prune(repository, { applyRetention: retention }, context.call),
          (_client, { output }) =>
            show(
              context,
              RepositoryPruneResult.parse(output),
              async () => (await import('../../views/repository-view.ts')).pruneText,
            ),
        );
      });
  },
};
