import { RepositoryPruneResult } from '@corral/api/schemas/repository';
import { runOperation } from '../../operation/run-operation.ts';
import { show } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';

/** It walks over the maps of all backups. */
const limitMs = 600_000;

export const repositoryPrune: CommandDefinition = {
  description:
    'Deletes the backups that no retention rule keeps, and frees the space that no backup needs. Backups may run meanwhile, of this host and of others: what they need stays.',
  examples: [
    { command: 'corral repository prune vault', explains: 'by the rules of "corral repository set"' },
    { command: 'corral repository prune vault --no-retention', explains: 'free space only' },
    { command: 'corral repository prune vault --dry-run', explains: 'what would go; nothing is changed' },
  ],
  define: (command, context) => {
    command
      .argument('<repository>', 'name or id')
      .option('--no-retention', 'delete no backup')
      .option('--dry-run', 'tell what would be deleted and freed, and delete nothing')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (repository, { dryRun = false as boolean, retention, ...choice }) => {
        if (dryRun) {
          const client = await context.client();
          const query = { applyRetention: retention ? 'true' : 'false' } as const;
          const preview = await client.repository.prunePreview(repository, query, {
            ...context.call,
            limitMs,
          });
          const view = async () => (await import('../../views/repository-view.ts')).prunePreviewText;
          return show(context, preview, view);
        }
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
