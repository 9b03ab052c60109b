import { BackupBrowsed } from '@corral/api/schemas/restore';
import { runOperation } from '../../operation/run-operation.ts';
import { show } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { inRepository } from './backup-options.ts';
import { backupPlace } from './backup-place.ts';

export const backupLs: CommandDefinition = {
  description:
    'Lists a folder of a file system in a backup: ext4, XFS, FAT or NTFS. A helper VM without a network reads the disk; nothing foreign is mounted on the host. On a disk with partitions the path begins with the number of one; "/" lists them.',
  examples: [
    { command: 'corral backup ls nightly:data:/', explains: 'a disk without partitions, or its partitions' },
    { command: 'corral backup ls nightly:root:/1/etc', explains: 'a folder on the first partition' },
  ],
  define: (command, context) => {
    command
      .argument('<place>', 'backup:disk:/path')
      .option(...inRepository)
      .option(...noWait)
      .option(...waitLimit)
      .action(async (place, { repository, ...choice }) => {
        const { backup, ...where } = backupPlace(place);
        const request = { ...where, ...(repository !== undefined && { repository }) };
        await runOperation(
          context,
          choice,
          (client) => client.restore.listFiles(backup, request, context.call),
          (_client, { output }) =>
            show(
              context,
              BackupBrowsed.parse(output),
              async () => (await import('../../views/backup-files-view.ts')).backupFilesText,
            ),
        );
      });
  },
};
