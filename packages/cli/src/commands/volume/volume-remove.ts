import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const volumeRemove: CommandDefinition = {
  description:
    'Forgets a volume and takes the id of this host off it. One that a VM of this host uses is refused; files that belong to no VM stay.',
  examples: [{ command: 'corral volume remove fast', explains: 'the folder is free again' }],
  define: (command, context) => {
    command
      .argument('<volume>', 'name or id')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (name, choice) => {
        await runOperation(
          context,
          choice,
          (client) => client.volume.remove(name, context.call),
          (_client, operation) => say(context, operation, `Volume ${name} is removed.`),
        );
      });
  },
};
