import type { Client } from '@corral/api/client.gen';
import type { Operation } from '@corral/api/schemas/operation';
import type { Context } from '../../context.ts';
import { seeThrough, succeeded, waitFor } from '../../operation/run-operation.ts';
import { printCompact, printLine } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { waitLimit } from '../wait-options.ts';

export const operationFollow: CommandDefinition = {
  description:
    'Follows an operation to its end, across restarts of the daemon. The exit code is that of the operation: 0 when it succeeded. With -o json every change is one line with the whole operation.',
  examples: [
    { command: 'corral operation follow 2f1c...', explains: 'Ctrl-C stops following, not the operation' },
    { command: 'corral operation follow 2f1c... -o json', explains: 'one object a line, for programs' },
  ],
  define: (command, context) => {
    command
      .argument('<operation>', 'its id')
      .option(...waitLimit)
      .action(async (id, choice) => {
        const client = await context.client();
        const operation = await client.operation.show(id, context.call);
        if (context.output === 'json') return followAsJson(context, client, operation, choice.waitLimit);
        await seeThrough(context, client, operation, choice);
        await printLine(context, `${operation.name}: done.`);
      });
  },
};

async function followAsJson(
  context: Context,
  client: Client,
  operation: Operation,
  limit: number | undefined,
): Promise<void> {
  let printed: Promise<void> = Promise.resolve();
  const last = await waitFor(context, client, operation, limit, {
    onUpdate: (latest) => {
      printed = printed.then(() => printCompact(context, latest));
    },
  });
  await printed;
  succeeded(last);
}
