import { Option } from '@commander-js/extra-typings';
import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import { hostPath } from '../../parse/host-path.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const checkpointExport: CommandDefinition = {
  description:
    'Writes a checkpoint to a directory of the host as a whole VM: settings, disks, memory if it has any. The VM runs on meanwhile. The disks keep their chain, or become one file each with --flatten; another format makes them flat too.',
  examples: [
    { command: 'corral checkpoint export web1 good /srv/exports/web1', explains: 'as it is, with its chain' },
    {
      command: 'corral checkpoint export web1 good /srv/exports/web1 --flatten',
      explains: 'one file for each disk',
    },
    {
      command: 'corral checkpoint export web1 good /mnt/usb/web1 --format vhdx',
      explains: 'for another hypervisor',
    },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<checkpoint>', 'name or id')
      .argument('<directory>', 'directory on the host; new, or empty')
      .option('--flatten', 'one file for each disk instead of its chain')
      .addOption(
        new Option('--format <format>', 'of the disks').choices(['qcow2', 'raw', 'vhd', 'vhdx'] as const),
      )
      .option(...noWait)
      .option(...waitLimit)
      .action(async (vm, checkpoint, directory, { flatten = false, format, ...choice }) => {
        const path = hostPath(directory, context.endpoint.kind === 'socket', context.io.currentDirectory);
        const request = { directory: path, flatten, ...(format !== undefined && { format }) };
        await runOperation(
          context,
          choice,
          (client) => client.checkpoint.export(vm, checkpoint, request, context.call),
          (_client, operation) =>
            say(context, operation, `Checkpoint ${checkpoint} of ${vm} is exported to ${path}.`),
        );
      });
  },
};
