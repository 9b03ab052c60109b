import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const hostAutostop: CommandDefinition = {
  description:
    'Ends every VM that runs as its setting "autostop" says: its memory is saved, its guest shut down, or it is turned off. What cannot be saved or shut down is turned off. The systemd unit corral-guests calls it when the host shuts down.',
  examples: [{ command: 'corral host autostop', explains: 'before the host is switched off by hand' }],
  define: (command, context) => {
    command
      .option(...noWait)
      .option(...waitLimit)
      .action(async (choice) => {
        await runOperation(
          context,
          choice,
          (client) => client.host.autostop(context.call),
          (_client, operation) => say(context, operation, 'The VMs of this host have ended.'),
        );
      });
  },
};
