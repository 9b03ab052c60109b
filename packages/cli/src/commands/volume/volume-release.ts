import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const volumeRelease: CommandDefinition = {
  description:
    'Gives up a volume with all that lies on it, so that another host can add it. VMs on it do not start here until it is added again ("corral volume add"). Refused while one of them runs.',
  examples: [{ command: 'corral volume release fast', explains: 'before its LUN is given to another host' }],
  define: (command, context) => {
    command
      .argument('<volume>', 'name or id')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (name, choice) => {
        await runOperation(
          context,
          choice,
          (client) => client.volume.release(name, context.call),
          async (client) =>
            say(context, await client.volume.show(name, context.call), `Volume ${name} is released.`),
        );
      });
  },
};
