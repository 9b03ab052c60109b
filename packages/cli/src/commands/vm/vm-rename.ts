import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { runVmOperation } from './vm-result.ts';

export const vmRename: CommandDefinition = {
  description: 'Gives a VM another name. Its id stays, and so does everything that refers to it by id.',
  examples: [{ command: 'corral vm rename web1 web-old', explains: 'in any state' }],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<new-name>', 'what it is called from now on')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (vm, name, choice) => {
        await runVmOperation(
          context,
          choice,
          (client) => client.vm.update(vm, { name }, { ...context.call, ifMatch: '*' }),
          name,
          () => `VM ${vm} is called ${name} now.`,
        );
      });
  },
};
