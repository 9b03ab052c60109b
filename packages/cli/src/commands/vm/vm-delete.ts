import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const vmDelete: CommandDefinition = {
  description:
    'Deletes a VM that is off or saved, with its disks, for good. A pass-through device is let go of and stays as it is.',
  examples: [
    { command: 'corral vm delete web1', explains: 'the VM and its disks are gone' },
    { command: 'corral vm stop web1 && corral vm delete web1', explains: 'one that runs' },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (vm, choice) => {
        await runOperation(
          context,
          choice,
          (client) => client.vm.delete(vm, { ...context.call, ifMatch: '*' }),
          (_client, operation) => say(context, operation, `VM ${vm} is deleted.`),
        );
      });
  },
};
