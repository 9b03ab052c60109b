import { show } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';

/** Statistics walk over the maps of all backups. */
const limitMs = 600_000;

export const repositoryShow: CommandDefinition = {
  description: 'Shows a repository: place, rules, policy. With --statistics also what is stored and saved.',
  examples: [
    { command: 'corral repository show vault', explains: 'place, retention rules, policy' },
    { command: 'corral repository show vault --statistics', explains: 'and how much it saves' },
  ],
  define: (command, context) => {
    command
      .argument('<repository>', 'name or id')
      .option('--statistics', 'stored, logical and saved bytes; takes its time where backups are many')
      .action(async (name, { statistics = false as boolean }) => {
        const client = await context.client();
        const repository = await client.repository.show(name, context.call);
        if (!statistics) {
          const view = async () => (await import('../../views/repository-view.ts')).repositoryDetails;
          return show(context, repository, view);
        }
        const figures = await client.repository.statistics(name, { ...context.call, limitMs });
        const view = async () => (await import('../../views/repository-view.ts')).repositoryFigures;
        await show(context, { ...repository, statistics: figures }, view);
      });
  },
};
