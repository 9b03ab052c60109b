import type { CommandGroup } from '../../tree/command-tree.ts';

export const volumeGroup: CommandGroup = {
  description:
    'A volume is a folder on any mounted file system, where VMs and disks lie. It carries the id of its owner: another host refuses it until it is released or seized. The data directory itself is the volume "local".',
  examples: [
    { command: 'corral volume list', explains: 'what there is, and how much room' },
    { command: 'corral volume add fast /srv/nvme', explains: 'a folder becomes a volume of this host' },
    { command: 'corral volume show fast', explains: 'what works there: reflink, holes, direct I/O' },
    { command: 'corral volume check fast', explains: 'are all files of its VMs there and whole' },
  ],
  commands: {
    list: { summary: 'List the volumes', load: async () => (await import('./volume-list.ts')).volumeList },
    show: {
      summary: 'Show a volume: owner, what it can do, space',
      load: async () => (await import('./volume-show.ts')).volumeShow,
    },
    add: {
      summary: 'Make a folder of the host a volume',
      load: async () => (await import('./volume-add.ts')).volumeAdd,
    },
    set: {
      summary: 'Change the reserve of a volume',
      load: async () => (await import('./volume-set.ts')).volumeSet,
    },
    remove: {
      summary: 'Forget a volume that nothing uses',
      load: async () => (await import('./volume-remove.ts')).volumeRemove,
    },
    release: {
      summary: 'Give up a volume, so that another host can take it',
      load: async () => (await import('./volume-release.ts')).volumeRelease,
    },
    seize: {
      summary: 'Take a volume from a host that is gone',
      load: async () => (await import('./volume-seize.ts')).volumeSeize,
    },
    check: {
      summary: 'Look at the files of the VMs on a volume',
      load: async () => (await import('./volume-check.ts')).volumeCheck,
    },
  },
};
