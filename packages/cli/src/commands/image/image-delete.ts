import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const imageDelete: CommandDefinition = {
  description: 'Deletes an image. One that a VM needs, for a linked disk or its kernel, is refused.',
  examples: [{ command: 'corral image delete debian12', explains: 'no VM may be linked to it' }],
  define: (command, context) => {
    command
      .argument('<image>', 'name or id')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (image, choice) => {
        await runOperation(
          context,
          choice,
          (client) => client.image.delete(image, context.call),
          (_client, operation) => say(context, operation, `Image ${image} is deleted.`),
        );
      });
  },
};
