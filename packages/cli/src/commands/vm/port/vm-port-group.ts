import type { CommandGroup } from '../../../tree/command-tree.ts';

export const vmPortGroup: CommandGroup = {
  examples: [
    { command: 'corral vm port add web1 bridge:br0', explains: 'to a running VM too' },
    { command: 'corral vm port list web1', explains: 'networks and addresses' },
    { command: 'corral vm port remove web1 nic1', explains: 'take one away' },
  ],
  commands: {
    list: {
      summary: 'List the network ports of a VM',
      load: async () => (await import('./vm-port-list.ts')).vmPortList,
    },
    add: {
      summary: 'Add a network port, to a running VM too',
      load: async () => (await import('./vm-port-add.ts')).vmPortAdd,
    },
    remove: {
      summary: 'Remove a network port',
      load: async () => (await import('./vm-port-remove.ts')).vmPortRemove,
    },
  },
};
