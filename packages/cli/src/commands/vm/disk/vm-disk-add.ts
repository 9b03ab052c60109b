import { runOperation } from '../../../operation/run-operation.ts';
import { say } from '../../../output.ts';
import { parseDiskSource } from '../../../parse/disk-source.ts';
import { hostPath } from '../../../parse/host-path.ts';
import type { CommandDefinition } from '../../../tree/command-tree.ts';
import { noWait, waitLimit } from '../../wait-options.ts';
import { withHostPath } from '../create-request.ts';
import { namedItem } from '../named-item.ts';

export const vmDiskAdd: CommandDefinition = {
  description:
    'Makes a disk and attaches it; a running VM sees it at once. NAME=SIZE is blank (with ,format=ext4 formatted by the host), NAME=from:FILE a copy of a file, NAME=device:/dev/X a device of the host that is passed through.',
  examples: [
    { command: 'corral vm disk add web1 data=10GiB', explains: 'a blank disk' },
    {
      command: 'corral vm disk add web1 data=10GiB,format=ext4',
      explains: 'formatted; the micro guest mounts it',
    },
    { command: 'corral vm disk add web1 old=from:/srv/old.qcow2', explains: 'a copy of a file of the host' },
    { command: 'corral vm disk add web1 lun=device:/dev/sdb', explains: 'a device of the host' },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<source>', 'NAME=SIZE, NAME=from:FILE or NAME=device:/dev/X', parseDiskSource)
      .option(...noWait)
      .option(...waitLimit)
      .action(async (vm, disk, choice) => {
        const source = withHostPath(disk, (file) =>
          hostPath(file, context.endpoint.kind === 'socket', context.io.currentDirectory),
        );
        await runOperation(
          context,
          choice,
          (client) => client.vm.disk.add(vm, source, context.call),
          async (client) => {
            const added = await namedItem(disk.name, (query) => client.vm.disk.list(vm, query, context.call));
            await say(context, added, `Disk ${disk.name} is attached to ${vm}.`);
          },
        );
      });
  },
};
