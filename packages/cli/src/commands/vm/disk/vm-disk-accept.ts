import type { CommandDefinition } from '../../../tree/command-tree.ts';
import { noWait, waitLimit } from '../../wait-options.ts';
import { runVmOperation } from '../vm-result.ts';

export const vmDiskAccept: CommandDefinition = {
  description:
    'A VM does not start on a disk whose files were changed by somebody else. If you know that they are right, this takes them as they are, with the size that they have. What was changed is not known, so the reference points of the disk end, and its next backup reads all of it.',
  examples: [
    { command: 'corral vm disk accept web1 system', explains: 'after you repaired its file system by hand' },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<disk>', 'name or id')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (vm, disk, choice) => {
        await runVmOperation(
          context,
          choice,
          (client) => client.vm.disk.accept(vm, disk, context.call),
          vm,
          () => `The files of disk ${disk} of ${vm} are taken as they are. Its next backup reads all of it.`,
        );
      });
  },
};
