import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { runCheckpointOperation } from './checkpoint-result.ts';

export const checkpointRename: CommandDefinition = {
  examples: [{ command: 'corral checkpoint rename web1 before-update good', explains: 'in any state' }],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<checkpoint>', 'name or id')
      .argument('<new-name>', 'its new name')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (vm, checkpoint, name, choice) => {
        await runCheckpointOperation(
          context,
          choice,
          vm,
          (client) => client.checkpoint.rename(vm, checkpoint, { name }, context.call),
          () => `Checkpoint ${checkpoint} of ${vm} is now called ${name}.`,
        );
      });
  },
};
