import { collect, showPage } from '../../list.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { after, limit } from '../page-options.ts';
import { inRepository } from './backup-options.ts';

export const backupList: CommandDefinition = {
  description: 'Lists backups, oldest first, those of VMs that are gone from the host too.',
  examples: [
    { command: 'corral backup list', explains: 'all of them' },
    { command: 'corral backup list --vm web1 --repository vault', explains: 'of one VM in one repository' },
  ],
  define: (command, context) => {
    command
      .option('--vm <vm>', 'name or id')
      .option(...inRepository)
      .option(...limit)
      .option(...after)
      .action(async ({ vm, repository, ...options }) => {
        const client = await context.client();
        const filter = {
          ...(vm !== undefined && { vm }),
          ...(repository !== undefined && { repository }),
        };
        const page = await collect(options, (query) =>
          client.backup.list({ ...query, ...filter }, context.call),
        );
        await showPage(context, page, async () => (await import('../../views/backup-view.ts')).backupTable);
      });
  },
};
