import { runOperation } from '../../../operation/run-operation.ts';
import { say } from '../../../output.ts';
import type { CommandDefinition } from '../../../tree/command-tree.ts';
import { noWait, waitLimit } from '../../wait-options.ts';
import { requiredSecretOf, withSecretOptions } from '../place-options.ts';

export const keyAdd: CommandDefinition = {
  description: 'Adds a key: the repository opens with any of its keys. No data is rewritten.',
  examples: [
    {
      command: 'corral repository key add vault --name escrow --key-file escrow.key',
      explains: 'one for the safe',
    },
  ],
  define: (command, context) => {
    withSecretOptions(
      command
        .argument('<repository>', 'name or id')
        .requiredOption('--name <name>', 'of the new key, for people'),
    )
      .option(...noWait)
      .option(...waitLimit)
      .action(async (repository, { name, ...options }) => {
        const secret = await requiredSecretOf(context.io, options);
        await runOperation(
          context,
          options,
          (client) => client.repository.key.add(repository, { name, secret }, context.call),
          (_client, operation) => say(context, operation, `Key ${name} is added to ${repository}.`),
        );
      });
  },
};
