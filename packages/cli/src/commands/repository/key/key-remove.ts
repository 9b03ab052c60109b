import { runOperation } from '../../../operation/run-operation.ts';
import { say } from '../../../output.ts';
import type { CommandDefinition } from '../../../tree/command-tree.ts';
import { noWait, waitLimit } from '../../wait-options.ts';

export const keyRemove: CommandDefinition = {
  description:
    'Removes a key. The last one, and the one that this host uses, stay. Whoever held it and a copy of the repository can still read that copy.',
  examples: [
    {
      command: 'corral repository key remove vault 6f1c2e9a-8b77-4d0e-9c53-0a1b2c3d4e5f',
      explains: 'by its id from "key list"',
    },
  ],
  define: (command, context) => {
    command
      .argument('<repository>', 'name or id')
      .argument('<key>', 'id of the key')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (repository, key, choice) => {
        await runOperation(
          context,
          choice,
          (client) => client.repository.key.remove(repository, key, context.call),
          (_client, operation) => say(context, operation, `Key ${key} is removed from ${repository}.`),
        );
      });
  },
};
