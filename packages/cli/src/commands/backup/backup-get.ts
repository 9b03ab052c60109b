import { BackupBrowsed } from '@corral/api/schemas/restore';
import { formatSize } from '@corral/core/units';
import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import { hostPath } from '../../parse/host-path.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { inRepository } from './backup-options.ts';
import { backupPlace } from './backup-place.ts';

export const backupGet: CommandDefinition = {
  description:
    'Takes a file out of a file system in a backup, to a file of the host that must not exist. How the place is written, and what can be read, is told by "corral backup ls --help".',
  examples: [
    {
      command: 'corral backup get nightly:root:/1/etc/fstab fstab.old',
      explains: 'one file, beside the present one',
    },
  ],
  define: (command, context) => {
    command
      .argument('<place>', 'backup:disk:/path')
      .argument('<file>', 'on the host')
      .option(...inRepository)
      .option(...noWait)
      .option(...waitLimit)
      .action(async (place, file, { repository, ...choice }) => {
        const { backup, ...where } = backupPlace(place);
        const isLocal = context.endpoint.kind === 'socket';
        const target = hostPath(file, isLocal, context.io.currentDirectory);
        const request = { ...where, target, ...(repository !== undefined && { repository }) };
        await runOperation(
          context,
          choice,
          (client) => client.restore.getFile(backup, request, context.call),
          (_client, { output }) => {
            const found = BackupBrowsed.parse(output);
            return say(context, found, `${formatSize(found.writtenBytes)} are in ${target}.`);
          },
        );
      });
  },
};
