import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { openingOf, withPlaceOptions } from './place-options.ts';
import { rulesOf, withKeepOptions } from './retention-options.ts';

export const repositoryConnect: CommandDefinition = {
  description:
    'Connects this host to a repository that is there, made by this host or another. Its place and its secret are all that is needed; backups of VMs that this host never saw can be restored.',
  examples: [
    {
      command: 'corral repository connect vault --path /backup --passphrase-file pass.txt',
      explains: 'on a new host',
    },
    {
      command:
        'corral repository connect cloud --azure https://account.blob.core.windows.net/backups/corral --key-file vault.key',
      explains: 'in Azure',
    },
  ],
  define: (command, context) => {
    withKeepOptions(withPlaceOptions(command.argument('<name>', 'name for this host')))
      .option(...noWait)
      .option(...waitLimit)
      .action(async (name, options) => {
        const retention = rulesOf(options);
        const request = {
          name,
          ...(await openingOf(context, options)),
          ...(retention && { retention }),
        };
        await runOperation(
          context,
          options,
          (client) => client.repository.connect(request, context.call),
          async (client) =>
            say(
              context,
              await client.repository.show(name, context.call),
              `Repository ${name} is connected.`,
            ),
        );
      });
  },
};
