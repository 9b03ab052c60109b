import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const operationRetry: CommandDefinition = {
  description: 'Lets an operation that is stuck go on, once the cause is mended, and waits for its end.',
  examples: [{ command: 'corral operation retry 2f1c...', explains: 'after the volume has space again' }],
  define: (command, context) => {
    command
      .argument('<operation>', 'its id')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (id, choice) => {
        await runOperation(
          context,
          choice,
          (client) => client.operation.retry(id, context.call),
          (_client, operation) => say(context, operation, `"${operation.name}" has succeeded.`),
        );
      });
  },
};
