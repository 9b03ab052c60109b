import type { CommandGroup } from '../../../tree/command-tree.ts';

export const guestGroup: CommandGroup = {
  description: 'What goes through the guest agent: information, files and key-value data. The VM must run.',
  examples: [
    { command: 'corral vm guest info web1', explains: 'system, addresses, clock' },
    { command: 'corral vm guest get web1 /var/log/messages messages', explains: 'fetch a file' },
    { command: 'corral vm guest put web1 app.conf /etc/app.conf', explains: 'bring a file' },
    { command: 'corral vm guest kv web1 role primary', explains: 'leave a note for the guest' },
  ],
  commands: {
    info: {
      summary: 'What the guest tells about itself',
      load: async () => (await import('./guest-info.ts')).guestInfo,
    },
    get: {
      summary: 'Fetch a file of the guest',
      load: async () => (await import('./guest-get.ts')).guestGet,
    },
    put: {
      summary: 'Write a file in the guest',
      load: async () => (await import('./guest-put.ts')).guestPut,
    },
    kv: {
      summary: 'Key-value data: list, read, write, delete',
      load: async () => (await import('./guest-kv.ts')).guestKv,
    },
  },
};
