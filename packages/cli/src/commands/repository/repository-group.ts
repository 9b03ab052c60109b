import type { CommandGroup } from '../../tree/command-tree.ts';

export const repositoryGroup: CommandGroup = {
  description:
    'Repositories keep backups: deduplicated over all VMs, compressed, encrypted if wanted, in a directory, S3 or Azure. Several hosts may use one at once.',
  examples: [
    {
      command: 'corral repository create vault --path /backup --passphrase-file pass.txt',
      explains: 'a new one, encrypted',
    },
    { command: 'corral repository show vault --statistics', explains: 'what it holds and saves' },
    { command: 'corral repository check vault --read-data', explains: 'prove every byte' },
    { command: 'corral repository prune vault', explains: 'free what no backup needs' },
  ],
  commands: {
    create: {
      summary: 'Create a repository in an empty place',
      load: async () => (await import('./repository-create.ts')).repositoryCreate,
    },
    connect: {
      summary: 'Connect to a repository that is there',
      load: async () => (await import('./repository-connect.ts')).repositoryConnect,
    },
    list: {
      summary: 'List the repositories',
      load: async () => (await import('./repository-list.ts')).repositoryList,
    },
    show: {
      summary: 'Show a repository',
      load: async () => (await import('./repository-show.ts')).repositoryShow,
    },
    set: {
      summary: 'Change retention rules, or tighten the policy',
      load: async () => (await import('./repository-set.ts')).repositorySet,
    },
    check: {
      summary: 'Check a repository; name the backups that are harmed',
      load: async () => (await import('./repository-check.ts')).repositoryCheck,
    },
    prune: {
      summary: 'Delete backups that no rule keeps, and free their space',
      load: async () => (await import('./repository-prune.ts')).repositoryPrune,
    },
    repair: {
      summary: 'Keep what is sound of a damaged repository',
      load: async () => (await import('./repository-repair.ts')).repositoryRepair,
    },
    copy: {
      summary: 'Copy backups to another repository',
      load: async () => (await import('./repository-copy.ts')).repositoryCopy,
    },
    remove: {
      summary: 'Forget a repository; its content stays',
      load: async () => (await import('./repository-remove.ts')).repositoryRemove,
    },
    key: {
      summary: 'Keys of an encrypted repository',
      load: async () => (await import('./key/key-group.ts')).keyGroup,
    },
  },
};
