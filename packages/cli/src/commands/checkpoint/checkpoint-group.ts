import type { CommandGroup } from '../../tree/command-tree.ts';

export const checkpointGroup: CommandGroup = {
  examples: [
    {
      command: 'corral checkpoint create web1 --name before-update',
      explains: 'memory and disks of one instant',
    },
    { command: 'corral checkpoint list web1', explains: 'the tree, with "now"' },
    {
      command: 'corral checkpoint apply web1 before-update --checkpoint-first',
      explains: 'go back, and keep what there is now',
    },
    { command: 'corral checkpoint delete web1 before-update', explains: 'merged away while the VM runs' },
  ],
  commands: {
    create: {
      summary: 'Take a checkpoint of a VM',
      load: async () => (await import('./checkpoint-create.ts')).checkpointCreate,
    },
    list: {
      summary: 'Draw the tree of checkpoints',
      load: async () => (await import('./checkpoint-list.ts')).checkpointList,
    },
    show: {
      summary: 'Show a checkpoint',
      load: async () => (await import('./checkpoint-show.ts')).checkpointShow,
    },
    apply: {
      summary: 'Go back, or over, to a checkpoint',
      load: async () => (await import('./checkpoint-apply.ts')).checkpointApply,
    },
    delete: {
      summary: 'Delete a checkpoint, and merge what others need of it',
      load: async () => (await import('./checkpoint-delete.ts')).checkpointDelete,
    },
    rename: {
      summary: 'Rename a checkpoint',
      load: async () => (await import('./checkpoint-rename.ts')).checkpointRename,
    },
    export: {
      summary: 'Write a checkpoint to a directory as a whole VM',
      load: async () => (await import('./checkpoint-export.ts')).checkpointExport,
    },
  },
};
