import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { copiesIn, runVmOperation } from './vm-result.ts';

export const vmClone: CommandDefinition = {
  description:
    'Makes a new VM with the settings and disks of this one, but ids and network addresses of its own. It is off or saved: the files of a VM that runs are written to. The disks are copied, or share their blocks where the volume can do that. A disk that is linked to an image stays linked to it: only what was written since is copied.',
  examples: [
    { command: 'corral vm clone web1 web2 --start', explains: 'a second one that runs at once' },
    { command: 'corral vm clone gold test7', explains: 'it stays off' },
    { command: 'corral vm clone gold test8 --volume fast', explains: 'with all of its disks on that volume' },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<new-name>', 'name of the new VM')
      .option('--start', 'start the new VM')
      .option(
        '--volume <volume>',
        'where its folder and all of its disks lie; default: where those of the original lie',
      )
      .option(...noWait)
      .option(...waitLimit)
      .action(async (vm, name, { start = false, volume, ...choice }) => {
        await runVmOperation(
          context,
          choice,
          (client) =>
            client.vm.clone(vm, { name, start, ...(volume === undefined ? {} : { volume }) }, context.call),
          name,
          (clone, operation) =>
            `VM ${clone.name} is cloned from ${vm} and ${clone.state}.${copiesIn(operation)}`,
        );
      });
  },
};
