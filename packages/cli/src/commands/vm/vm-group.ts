import type { CommandGroup } from '../../tree/command-tree.ts';

export const vmGroup: CommandGroup = {
  examples: [
    { command: 'corral vm create web1 --image micro --start', explains: 'create and start' },
    { command: 'corral vm list', explains: 'what there is and what runs' },
    { command: 'corral vm shutdown web1', explains: 'through the guest, which ends its work first' },
    { command: 'corral vm set web1 --cpus 4 --memory 2GiB', explains: 'change settings' },
  ],
  commands: {
    create: { summary: 'Create a VM', load: async () => (await import('./vm-create.ts')).vmCreate },
    register: {
      summary: 'Bring back a VM from its files',
      load: async () => (await import('./vm-register.ts')).vmRegister,
    },
    list: { summary: 'List the VMs', load: async () => (await import('./vm-list.ts')).vmList },
    show: { summary: 'Show a VM', load: async () => (await import('./vm-show.ts')).vmShow },
    start: {
      summary: 'Start a VM, or bring a saved one back',
      load: async () => (await import('./vm-actions.ts')).vmStart,
    },
    shutdown: {
      summary: 'Shut a VM down through its guest',
      load: async () => (await import('./vm-shutdown.ts')).vmShutdown,
    },
    stop: { summary: 'Turn a VM off at once', load: async () => (await import('./vm-actions.ts')).vmStop },
    pause: {
      summary: 'Halt the processors of a VM',
      load: async () => (await import('./vm-actions.ts')).vmPause,
    },
    resume: {
      summary: 'Let a paused VM run on',
      load: async () => (await import('./vm-actions.ts')).vmResume,
    },
    save: {
      summary: 'Write the memory of a VM to disk and end its process',
      load: async () => (await import('./vm-actions.ts')).vmSave,
    },
    'discard-saved': {
      summary: 'Throw the saved memory away; the VM is then off',
      load: async () => (await import('./vm-actions.ts')).vmDiscardSaved,
    },
    reset: {
      summary: 'Reset a VM as its reset button would',
      load: async () => (await import('./vm-actions.ts')).vmReset,
    },
    delete: {
      summary: 'Delete a VM and its disks',
      load: async () => (await import('./vm-delete.ts')).vmDelete,
    },
    rename: { summary: 'Rename a VM', load: async () => (await import('./vm-rename.ts')).vmRename },
    set: { summary: 'Change settings of a VM', load: async () => (await import('./vm-set.ts')).vmSet },
    clone: {
      summary: 'Make a new VM like this one',
      load: async () => (await import('./vm-clone.ts')).vmClone,
    },
    exec: {
      summary: 'Run a program in the guest',
      load: async () => (await import('./vm-exec.ts')).vmExec,
    },
    console: {
      summary: 'The serial console of a VM',
      load: async () => (await import('./vm-console.ts')).vmConsole,
    },
    display: {
      summary: 'A ticket for the graphical display of a VM',
      load: async () => (await import('./vm-display.ts')).vmDisplay,
    },
    guest: {
      summary: 'What the guest tells, its files and key-value data',
      load: async () => (await import('./guest/guest-group.ts')).guestGroup,
    },
    disk: {
      summary: 'Disks of a VM',
      load: async () => (await import('./disk/vm-disk-group.ts')).vmDiskGroup,
    },
    port: {
      summary: 'Network ports of a VM',
      load: async () => (await import('./port/vm-port-group.ts')).vmPortGroup,
    },
  },
};
