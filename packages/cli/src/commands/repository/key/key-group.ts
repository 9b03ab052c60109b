import type { CommandGroup } from '../../../tree/command-tree.ts';

export const keyGroup: CommandGroup = {
  description:
    'Keys of an encrypted repository. Each is a passphrase or a key file, and each alone opens it; adding and removing them rewrites no data.',
  examples: [
    { command: 'corral repository key list vault', explains: 'what opens it' },
    {
      command: 'corral repository key add vault --name escrow --key-file escrow.key',
      explains: 'a second one',
    },
    {
      command: 'corral repository key change vault --name 2027 --passphrase-file new.txt',
      explains: 'another passphrase for this host',
    },
  ],
  commands: {
    list: { summary: 'List the keys', load: async () => (await import('./key-list.ts')).keyList },
    add: { summary: 'Add a key', load: async () => (await import('./key-add.ts')).keyAdd },
    remove: { summary: 'Remove a key', load: async () => (await import('./key-remove.ts')).keyRemove },
    change: {
      summary: 'Change the key that this host uses',
      load: async () => (await import('./key-change.ts')).keyChange,
    },
  },
};
