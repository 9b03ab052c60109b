import { cliErrors } from '../../errors.ts';
import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import { hostPath } from '../../parse/host-path.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const volumeSeize: CommandDefinition = {
  description:
    'Takes a volume from the host that owns it. For a host that is gone for good, or that runs no VM from it: two hosts that write to one disk destroy it. An old owner that lives finds out within seconds, and starts no VM from there any more; those that run there are not stopped.',
  examples: [
    {
      command: 'corral volume seize fast /srv/nvme --yes',
      explains: 'the host that had it will not come back',
    },
    { command: 'corral volume seize fast --yes', explains: 'a volume that this host knows already' },
  ],
  define: (command, context) => {
    command
      .argument('<volume>', 'name that it gets, or has, on this host')
      .argument('[directory]', 'folder on the host, if this host does not know the volume')
      .option('--yes', 'I know that its owner runs no VM from it')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (name, directory, { yes = false, ...choice }) => {
        if (!yes) {
          throw cliErrors.usage({
            message:
              'Two hosts that write to one disk destroy it: say --yes when its owner runs no VM from it.',
            see: 'corral volume seize --help',
          });
        }
        const path =
          directory && hostPath(directory, context.endpoint.kind === 'socket', context.io.currentDirectory);
        await runOperation(
          context,
          choice,
          (client) => client.volume.seize(name, path ? { path } : {}, context.call),
          async (client) =>
            say(
              context,
              await client.volume.show(name, context.call),
              `Volume ${name} belongs to this host.`,
            ),
        );
      });
  },
};
