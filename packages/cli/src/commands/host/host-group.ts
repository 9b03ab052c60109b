import type { CommandGroup } from '../../tree/command-tree.ts';

export const hostGroup: CommandGroup = {
  examples: [
    { command: 'corral host show', explains: 'version, memory, accelerator, endpoints' },
    { command: 'corral host doctor', explains: 'what is wrong with the host, and how to fix it' },
  ],
  commands: {
    show: {
      summary: 'Show the host: memory, accelerator, QEMU, volume, endpoints',
      load: async () => (await import('./host-show.ts')).hostShow,
    },
    doctor: {
      summary: 'Check the host against what is known to break such systems',
      load: async () => (await import('./host-doctor.ts')).hostDoctor,
    },
    autostop: {
      summary: 'End every VM, because the host shuts down',
      load: async () => (await import('./host-autostop.ts')).hostAutostop,
    },
  },
};
