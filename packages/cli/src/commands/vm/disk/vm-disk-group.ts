import type { CommandGroup } from '../../../tree/command-tree.ts';

export const vmDiskGroup: CommandGroup = {
  examples: [
    { command: 'corral vm disk add web1 data=10GiB', explains: 'to a running VM too' },
    { command: 'corral vm disk list web1', explains: 'names, sizes, files' },
    { command: 'corral vm disk remove web1 data', explains: 'detach it and delete its file' },
  ],
  commands: {
    list: {
      summary: 'List the disks of a VM',
      load: async () => (await import('./vm-disk-list.ts')).vmDiskList,
    },
    add: {
      summary: 'Make a disk and attach it, to a running VM too',
      load: async () => (await import('./vm-disk-add.ts')).vmDiskAdd,
    },
    resize: {
      summary: 'Enlarge a disk, of a running VM too',
      load: async () => (await import('./vm-disk-resize.ts')).vmDiskResize,
    },
    accept: {
      summary: 'Take files of a disk that were changed from outside as they are',
      load: async () => (await import('./vm-disk-accept.ts')).vmDiskAccept,
    },
    remove: {
      summary: 'Detach a disk and delete it',
      load: async () => (await import('./vm-disk-remove.ts')).vmDiskRemove,
    },
  },
};
