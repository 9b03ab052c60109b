import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { openingOf, withPlaceOptions } from './place-options.ts';
import { rulesOf, withKeepOptions } from './retention-options.ts';

export const repositoryCreate: CommandDefinition = {
  description:
    'Creates a repository in an empty place and connects this host to it. With a passphrase or a key file it is encrypted; without, it is not, and anybody who can read the place can read the backups. Keep a copy of the secret elsewhere: without it nobody can ever restore.\n\nThe secrets are kept on the host in a file that only root can read.',
  examples: [
    {
      command: 'corral repository create vault --path /backup --passphrase-file pass.txt',
      explains: 'encrypted, in a directory',
    },
    {
      command:
        'AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... corral repository create cloud --s3 s3://backups/corral --key-file vault.key',
      explains: 'in S3',
    },
    {
      command: 'corral repository create vault --path /backup --keep-daily 7 --keep-weekly 4',
      explains: 'with retention rules',
    },
  ],
  define: (command, context) => {
    withKeepOptions(
      withPlaceOptions(command.argument('<name>', 'name for this host')).option(
        '--key-name <name>',
        'of the first key, for people; default: first',
      ),
    )
      .option(...noWait)
      .option(...waitLimit)
      .action(async (name, options) => {
        const retention = rulesOf(options);
        const request = {
          name,
          ...(await openingOf(context, options)),
          ...(options.keyName !== undefined && { keyName: options.keyName }),
          ...(retention && { retention }),
        };
        await runOperation(
          context,
          options,
          (client) => client.repository.create(request, context.call),
          async (client) =>
            say(context, await client.repository.show(name, context.call), `Repository ${name} is created.`),
        );
      });
  },
};
