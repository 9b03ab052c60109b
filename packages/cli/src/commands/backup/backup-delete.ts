import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { inRepository } from './backup-options.ts';

export const backupDelete: CommandDefinition = {
  description:
    'Deletes a backup. Others keep all that they share with it; "corral repository prune" frees the rest. One that is locked is refused. After the newest one of a VM is deleted its next backup reads everything.',
  examples: [{ command: 'corral backup delete nightly', explains: 'for good' }],
  define: (command, context) => {
    command
      .argument('<backup>', 'id, or name if no other has it')
      .option(...inRepository)
      .option(...noWait)
      .option(...waitLimit)
      .action(async (backup, { repository, ...choice }) => {
        const query = repository === undefined ? {} : { repository };
        await runOperation(
          context,
          choice,
          (client) => client.backup.delete(backup, query, context.call),
          (_client, operation) => say(context, operation, `Backup ${backup} is deleted.`),
        );
      });
  },
};
