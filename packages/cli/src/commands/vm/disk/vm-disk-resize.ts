import { formatSize, parseSize } from '@corral/core/units';
import type { CommandDefinition } from '../../../tree/command-tree.ts';
import { noWait, waitLimit } from '../../wait-options.ts';
import { runVmOperation } from '../vm-result.ts';

export const vmDiskResize: CommandDefinition = {
  description:
    'Enlarges a disk. A running guest sees its new size at once; its partitions and file systems are its own to grow. A disk never becomes smaller.',
  examples: [{ command: 'corral vm disk resize web1 data 20GiB', explains: 'while it runs, or off' }],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<disk>', 'name or id')
      .argument('<size>', 'of the whole disk, such as 20GiB', (text: string): number => parseSize(text))
      .option(...noWait)
      .option(...waitLimit)
      .action(async (vm, disk, sizeBytes, choice) => {
        await runVmOperation(
          context,
          choice,
          (client) => client.vm.disk.resize(vm, disk, { sizeBytes }, context.call),
          vm,
          () => `Disk ${disk} of ${vm} has ${formatSize(sizeBytes)} now.`,
        );
      });
  },
};
