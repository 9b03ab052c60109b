import { RepositoryCheckReport } from '@corral/api/schemas/repository';
import { CommandEnded } from '../../command-ended.ts';
import { exitCodes } from '../../exit-codes.ts';
import { runOperation } from '../../operation/run-operation.ts';
import { show } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const repositoryCheck: CommandDefinition = {
  description:
    'Checks that everything is there and of the right size, and names every backup that is harmed. With --read-data every byte is read and proved: flipped, cut, swapped and missing objects are all found.\n\nEnds with exit code 1 when something is damaged.',
  examples: [
    { command: 'corral repository check vault', explains: 'names, sizes, structure' },
    { command: 'corral repository check vault --read-data', explains: 'every byte' },
  ],
  define: (command, context) => {
    command
      .argument('<repository>', 'name or id')
      .option('--read-data', 'read and prove every byte')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (repository, { readData = false as boolean, ...choice }) => {
        await runOperation(
          context,
          choice,
          (client) => client.repository.check(repository, { readData }, context.call),
          async (_client, { output }) => {
            const report = RepositoryCheckReport.parse(output);
            const view = async () => (await import('../../views/repository-view.ts')).checkText;
            await show(context, report, view);
            if (!report.sound) throw new CommandEnded(exitCodes.failed.code);
          },
        );
      });
  },
};
