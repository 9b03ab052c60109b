import { cliErrors } from '../../errors.ts';
import { runToItsEnd } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const operationCancel: CommandDefinition = {
  description:
    'Cancels an operation and waits until what it did is undone. One that is past the point from which it can only go forward is refused.',
  examples: [{ command: 'corral operation cancel 2f1c...', explains: 'afterwards all is as before it' }],
  define: (command, context) => {
    command
      .argument('<operation>', 'its id')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (id, choice) => {
        await runToItsEnd(
          context,
          choice,
          (client) => client.operation.cancel(id, context.call),
          async (_client, operation) => {
            const { name, state } = operation;
            if (state === 'succeeded') throw cliErrors['too-late']({ name, state });
            await say(context, operation, `"${name}" is cancelled and undone.`);
          },
        );
      });
  },
};
