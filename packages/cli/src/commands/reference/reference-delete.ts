import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const referenceDelete: CommandDefinition = {
  description:
    'Deletes a reference point. One of backups may be deleted too: the next backup to that repository then reads everything.',
  examples: [{ command: 'corral reference delete web1 monday', explains: 'what it kept apart is merged' }],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<reference>', 'name or id')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (vm, reference, choice) => {
        await runOperation(
          context,
          choice,
          (client) => client.reference.delete(vm, reference, context.call),
          (_client, operation) =>
            say(context, operation, `Reference point ${reference} of ${vm} is deleted.`),
        );
      });
  },
};
