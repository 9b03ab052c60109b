import type { CommandGroup } from '../../tree/command-tree.ts';

export const backupGroup: CommandGroup = {
  examples: [
    { command: 'corral backup run web1 --repository vault', explains: 'while it runs, or not' },
    { command: 'corral backup list --vm web1', explains: 'what there is of it' },
  ],
  commands: {
    run: { summary: 'Back up VMs', load: async () => (await import('./backup-run.ts')).backupRun },
    list: { summary: 'List backups', load: async () => (await import('./backup-list.ts')).backupList },
    show: { summary: 'Show a backup', load: async () => (await import('./backup-show.ts')).backupShow },
    ls: {
      summary: 'List a folder of a file system in a backup',
      load: async () => (await import('./backup-ls.ts')).backupLs,
    },
    get: {
      summary: 'Take a file out of a backup',
      load: async () => (await import('./backup-get.ts')).backupGet,
    },
    verify: {
      summary: 'Prove a backup by running it',
      load: async () => (await import('./backup-verify.ts')).backupVerify,
    },
    plan: {
      summary: 'Plans: backups that make themselves',
      load: async () => (await import('./plan/plan-group.ts')).planGroup,
    },
    tracking: {
      summary: 'How the changes of a VM are tracked, and how far that is proved',
      load: async () => (await import('./backup-tracking.ts')).backupTracking,
    },
    delete: {
      summary: 'Delete a backup',
      load: async () => (await import('./backup-delete.ts')).backupDelete,
    },
  },
};
