import type { CommandDefinition } from '../../../tree/command-tree.ts';
import { noWait, waitLimit } from '../../wait-options.ts';
import { runVmOperation } from '../vm-result.ts';

export const vmDiskRemove: CommandDefinition = {
  description:
    'Detaches a disk, from a running VM too if its guest lets go of it, and deletes its file. With --keep the file stays beside the VM; a pass-through device stays as it is.',
  examples: [
    { command: 'corral vm disk remove web1 data', explains: 'the file is deleted' },
    { command: 'corral vm disk remove web1 data --keep', explains: 'the file stays' },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<disk>', 'name or id')
      .option('--keep', 'keep the file')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (vm, disk, { keep, ...choice }) => {
        await runVmOperation(
          context,
          choice,
          (client) => client.vm.disk.remove(vm, disk, { keep: keep ? 'true' : 'false' }, context.call),
          vm,
          () => `Disk ${disk} is detached from ${vm}${keep ? '; its file stays' : ''}.`,
        );
      });
  },
};
