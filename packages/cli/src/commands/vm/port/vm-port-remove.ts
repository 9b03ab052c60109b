import type { CommandDefinition } from '../../../tree/command-tree.ts';
import { noWait, waitLimit } from '../../wait-options.ts';
import { runVmOperation } from '../vm-result.ts';

export const vmPortRemove: CommandDefinition = {
  description: 'Removes a network port, from a running VM too if its guest lets go of it.',
  examples: [{ command: 'corral vm port remove web1 nic1', explains: 'by name or id' }],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<port>', 'name or id')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (vm, port, choice) => {
        await runVmOperation(
          context,
          choice,
          (client) => client.vm.port.remove(vm, port, context.call),
          vm,
          () => `Port ${port} is removed from ${vm}.`,
        );
      });
  },
};
