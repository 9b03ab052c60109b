import { show } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { inRepository } from './backup-options.ts';

export const backupShow: CommandDefinition = {
  examples: [{ command: 'corral backup show nightly', explains: 'its consistency, its disks, its figures' }],
  define: (command, context) => {
    command
      .argument('<backup>', 'id, or name if no other has it')
      .option(...inRepository)
      .action(async (backup, { repository }) => {
        const client = await context.client();
        const query = repository === undefined ? {} : { repository };
        await show(
          context,
          await client.backup.show(backup, query, context.call),
          async () => (await import('../../views/backup-view.ts')).backupDetails,
        );
      });
  },
};
