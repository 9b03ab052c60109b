import type { CommandGroup } from '../../../tree/command-tree.ts';

export const planGroup: CommandGroup = {
  examples: [
    {
      command: 'corral backup plan create nightly --repository vault --daily-at 22:30 --keep-daily 14',
      explains: 'every VM, every night, for two weeks',
    },
    { command: 'corral backup plan list', explains: 'when each ran, and runs next' },
  ],
  commands: {
    create: {
      summary: 'Create a backup plan',
      load: async () => (await import('./plan-create.ts')).planCreate,
    },
    list: { summary: 'List the backup plans', load: async () => (await import('./plan-list.ts')).planList },
    show: { summary: 'Show a backup plan', load: async () => (await import('./plan-show.ts')).planShow },
    set: { summary: 'Change a backup plan', load: async () => (await import('./plan-set.ts')).planSet },
    run: { summary: 'Run a backup plan now', load: async () => (await import('./plan-run.ts')).planRun },
    delete: {
      summary: 'Delete a backup plan',
      load: async () => (await import('./plan-delete.ts')).planDelete,
    },
  },
};
