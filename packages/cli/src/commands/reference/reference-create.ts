import { eachItem } from '@corral/api/caller';
import type { Client } from '@corral/api/client.gen';
import type { Operation } from '@corral/api/schemas/operation';
import type { Reference } from '@corral/api/schemas/reference';
import type { Context } from '../../context.ts';
import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { consistencyOption, freezeLimit } from '../backup/backup-options.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const referenceCreate: CommandDefinition = {
  description:
    'Creates a reference point: from now on it is known which bytes of the disks change. It takes no content and survives stops, crashes, checkpoints and merges. A VM may have several.',
  examples: [
    {
      command: 'corral reference create web1 --name monday',
      explains: 'then: corral changes web1 --since monday',
    },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .option('--name <new-name>', 'default: the time')
      .addOption(consistencyOption())
      .option(...freezeLimit)
      .option(...noWait)
      .option(...waitLimit)
      .action(async (vm, { name, consistency, freezeLimit: limitMs, ...choice }) => {
        const request = {
          ...(name !== undefined && { name }),
          ...(consistency !== undefined && { consistency }),
          ...(limitMs !== undefined && { freezeLimitMs: limitMs }),
        };
        await runOperation(
          context,
          choice,
          (client) => client.reference.create(vm, request, context.call),
          async (client, operation) => {
            const reference = await created(context, client, vm, operation);
            await say(context, reference, `Reference point ${reference.name} of ${vm} is created.`);
          },
        );
      });
  },
};

async function created(
  context: Context,
  client: Client,
  vm: string,
  { output }: Operation,
): Promise<Reference> {
  const { referenceId } = output as { readonly referenceId: string };
  const pages = eachItem((after) =>
    client.reference.list(vm, after === undefined ? {} : { after }, context.call),
  );
  for await (const reference of pages) if (reference.id === referenceId) return reference;
  throw new Error(`reference point ${referenceId} is gone already`);
}
