/** All commands. What stands here is loaded by every call; the tables below it only when they are needed. */
import type { CommandGroup } from './command-tree.ts';

export const rootGroup: CommandGroup = {
  description:
    'Virtual machines, their disks and checkpoints on this host. `corral` speaks to the daemon corrald over its Unix socket as administrator, or over TLS with a token.',
  examples: [
    {
      command: 'corral vm create web1 --image micro --start',
      explains: 'create a VM from an image and start it',
    },
    { command: 'corral vm list', explains: 'what there is and what runs' },
    { command: 'corral vm console web1', explains: 'its serial console; Ctrl-] leaves it' },
    { command: 'corral vm exec web1 -- uname -a', explains: 'run a program in the guest' },
    { command: 'corral vm list -o json', explains: 'the same for programs' },
  ],
  commands: {
    host: {
      summary: 'Show and examine the host',
      load: async () => (await import('../commands/host/host-group.ts')).hostGroup,
    },
    image: {
      summary: 'Images: what VMs are made from',
      load: async () => (await import('../commands/image/image-group.ts')).imageGroup,
    },
    vm: {
      summary: 'Virtual machines',
      load: async () => (await import('../commands/vm/vm-group.ts')).vmGroup,
    },
    volume: {
      summary: 'Volumes: where disks lie, whose they are, how much room',
      load: async () => (await import('../commands/volume/volume-group.ts')).volumeGroup,
    },
    backup: {
      summary: 'Backups of VMs',
      load: async () => (await import('../commands/backup/backup-group.ts')).backupGroup,
    },
    export: {
      summary: 'Write a VM to a directory, or what changed of it',
      load: async () => (await import('../commands/vm/vm-export.ts')).vmExport,
    },
    changes: {
      summary: 'What changed since a reference point, and where to read it',
      load: async () => (await import('../commands/changes/changes.ts')).changesCommand,
    },
    reference: {
      summary: 'Reference points: what changed since',
      load: async () => (await import('../commands/reference/reference-group.ts')).referenceGroup,
    },
    repository: {
      summary: 'Repositories: where backups are kept',
      load: async () => (await import('../commands/repository/repository-group.ts')).repositoryGroup,
    },
    checkpoint: {
      summary: 'Checkpoints of a VM: take, apply, merge',
      load: async () => (await import('../commands/checkpoint/checkpoint-group.ts')).checkpointGroup,
    },
    restore: {
      summary: 'Restore a backup: a new VM, in place, a disk, files',
      load: async () => (await import('../commands/restore/restore.ts')).restore,
    },
    operation: {
      summary: 'Long work: follow it, cancel it',
      load: async () => (await import('../commands/operation/operation-group.ts')).operationGroup,
    },
    event: {
      summary: 'What happened, and what happens',
      load: async () => (await import('../commands/event/event-group.ts')).eventGroup,
    },
    token: {
      summary: 'Tokens of the API',
      load: async () => (await import('../commands/token/token-group.ts')).tokenGroup,
    },
    disk: {
      summary: 'Disk files of any format, without a daemon',
      load: async () => (await import('../commands/disk/disk-group.ts')).diskGroup,
    },
    completion: {
      summary: 'Completion of commands and names for a shell',
      load: async () => (await import('../commands/completion/completion-group.ts')).completionGroup,
    },
  },
};
