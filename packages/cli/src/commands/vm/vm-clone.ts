import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { copiesIn, runVmOperation } from './vm-result.ts';

export const vmClone: CommandDefinition = {
  description:
    'Makes a new VM with the settings and disks of this one, but ids and network addresses of its own. The disks are copied, or shared blocks where the volume can; with --linked they are differencing disks.',
  examples: [
    { command: 'corral vm clone web1 web2 --start', explains: 'a second one that runs at once' },
    { command: 'corral vm clone gold test7 --linked', explains: 'in no time and little space' },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<new-name>', 'name of the new VM')
      .option('--linked', 'differencing disks instead of copies')
      .option('--start', 'start the new VM')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (vm, name, { linked = false, start = false, ...choice }) => {
        await runVmOperation(
          context,
          choice,
          (client) => client.vm.clone(vm, { name, linked, start }, context.call),
          name,
          (clone, operation) =>
            `VM ${clone.name} is cloned from ${vm} and ${clone.state}.${copiesIn(operation)}`,
        );
      });
  },
};
