import { runOperation } from '../../../operation/run-operation.ts';
import { say } from '../../../output.ts';
import type { CommandDefinition } from '../../../tree/command-tree.ts';
import { noWait, waitLimit } from '../../wait-options.ts';
import { requiredSecretOf, withSecretOptions } from '../place-options.ts';

export const keyChange: CommandDefinition = {
  description:
    'Changes the key that this host uses: adds the new one, uses it, removes the old one. No data is rewritten. Other hosts that used the old key must connect anew. Whoever had the old key and a copy of the repository can still read that copy.',
  examples: [
    {
      command: 'corral repository key change vault --name 2027 --passphrase-file new.txt',
      explains: 'the old passphrase opens nothing from then on',
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
          (client) => client.repository.key.change(repository, { name, secret }, context.call),
          (_client, operation) =>
            say(context, operation, `Repository ${repository} opens with key ${name} now.`),
        );
      });
  },
};
