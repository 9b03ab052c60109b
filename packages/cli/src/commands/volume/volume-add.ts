import { parseSize } from '@corral/core/units';
import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import { hostPath } from '../../parse/host-path.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { abilities } from './abilities.ts';
import { reserve } from './reserve-option.ts';

export const volumeAdd: CommandDefinition = {
  description:
    'Makes a folder of the host a volume: finds out by trying what works there, and writes an owner file into it. A volume that was released is taken with all that lies on it; one that belongs to another host is refused.',
  examples: [
    { command: 'corral volume add fast /srv/nvme', explains: 'a mounted file system, or any folder on one' },
    { command: 'corral volume add bulk /mnt/nas --reserve 100GiB', explains: 'with a reserve of your own' },
  ],
  define: (command, context) => {
    command
      .argument('<new-name>', 'name of the volume on this host')
      .argument('<directory>', 'folder on the host')
      .option(reserve.flags, `${reserve.description}; default: 5 %, at most 4GiB`, (text: string): number =>
        parseSize(text),
      )
      .option(...noWait)
      .option(...waitLimit)
      .action(async (name, directory, { reserve: reserveBytes, ...choice }) => {
        const path = hostPath(directory, context.endpoint.kind === 'socket', context.io.currentDirectory);
        await runOperation(
          context,
          choice,
          (client) =>
            client.volume.add(
              { name, path, ...(reserveBytes !== undefined && { reserveBytes }) },
              context.call,
            ),
          async (client) => {
            const volume = await client.volume.show(name, context.call);
            await say(
              context,
              volume,
              `Volume ${name} is added: ${volume.fileSystem}; ${abilities(volume)}.`,
            );
          },
        );
      });
  },
};
