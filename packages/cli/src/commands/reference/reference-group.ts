import type { CommandGroup } from '../../tree/command-tree.ts';

export const referenceGroup: CommandGroup = {
  examples: [
    {
      command: 'corral reference create web1 --name monday',
      explains: 'from now on it is known what changes',
    },
    { command: 'corral reference list web1', explains: 'those of backups among them' },
  ],
  commands: {
    create: {
      summary: 'Create a reference point',
      load: async () => (await import('./reference-create.ts')).referenceCreate,
    },
    list: {
      summary: 'List the reference points of a VM',
      load: async () => (await import('./reference-list.ts')).referenceList,
    },
    delete: {
      summary: 'Delete a reference point',
      load: async () => (await import('./reference-delete.ts')).referenceDelete,
    },
  },
};
