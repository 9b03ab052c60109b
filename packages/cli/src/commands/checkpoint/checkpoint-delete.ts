import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const checkpointDelete: CommandDefinition = {
  description:
    'Deletes a checkpoint: its memory and settings at once; what others need of its disks is merged into them, while the VM runs. "corral operation list" shows the merges. The checkpoints above it stay and stand on what it stood on; with --subtree they go too.',
  examples: [
    { command: 'corral checkpoint delete web1 before-update', explains: 'in any place of the tree' },
    {
      command: 'corral checkpoint delete web1 before-update --subtree',
      explains: 'with all that stand on it',
    },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<checkpoint>', 'name or id')
      .option('--subtree', 'with every checkpoint that stands on it')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (vm, checkpoint, { subtree = false, ...choice }) => {
        await runOperation(
          context,
          choice,
          (client) =>
            client.checkpoint.delete(vm, checkpoint, { subtree: subtree ? 'true' : 'false' }, context.call),
          (_client, operation) => {
            const others = subtree ? ', and those that stood on it,' : '';
            return say(context, operation, `Checkpoint ${checkpoint} of ${vm}${others} is deleted.`);
          },
        );
      });
  },
};
