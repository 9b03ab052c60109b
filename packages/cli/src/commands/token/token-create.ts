import { Option } from '@commander-js/extra-typings';
import { parseDuration } from '@corral/core/units';
import { write } from '../../io.ts';
import { print, printLine } from '../../output.ts';
import { formatTime } from '../../render/values.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';

export const tokenCreate: CommandDefinition = {
  description:
    'Makes a token and prints its secret, alone on standard output. It is shown only now: the daemon keeps a hash of it.',
  examples: [
    { command: 'corral token create --role viewer --name grafana', explains: 'for 90 days' },
    {
      command: 'export CORRAL_TOKEN=$(corral token create --role operator --expires 8h)',
      explains: 'for a shift',
    },
  ],
  define: (command, context) => {
    command
      .addOption(
        new Option('--role <role>', 'what it may do')
          .choices(['viewer', 'operator', 'administrator'] as const)
          .makeOptionMandatory(),
      )
      .option('--name <name>', 'default: the role and the beginning of the id')
      .option(
        '--expires <duration>',
        'when it ends, such as 8h or 30d; default: 90d',
        (text: string): number => parseDuration(text),
      )
      .action(async ({ role, name, expires }) => {
        const client = await context.client();
        const token = await client.token.create(
          {
            role,
            ...(name !== undefined && { name }),
            ...(expires !== undefined && { lifetimeMs: expires }),
          },
          context.call,
        );
        if (context.output === 'json') return print(context, token);
        await printLine(context, token.token);
        await write(
          context.io.stderr,
          `Token ${token.name}, role ${token.role}, until ${formatTime(token.expiresAt)}. It is not shown again.\n`,
        );
      });
  },
};
