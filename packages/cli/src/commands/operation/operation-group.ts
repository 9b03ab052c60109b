import type { CommandGroup } from '../../tree/command-tree.ts';

export const operationGroup: CommandGroup = {
  description:
    'Whatever changes something runs as an operation: it is recorded before it begins, can be followed from anywhere, and is finished or undone whatever dies meanwhile.',
  examples: [
    { command: 'corral operation list', explains: 'the latest, newest first' },
    { command: 'corral operation follow 2f1c...', explains: 'its progress until it ends' },
    { command: 'corral operation cancel 2f1c...', explains: 'stop it and undo what it did' },
  ],
  commands: {
    list: {
      summary: 'List operations, newest first',
      load: async () => (await import('./operation-list.ts')).operationList,
    },
    show: {
      summary: 'Show an operation: steps, progress, error',
      load: async () => (await import('./operation-show.ts')).operationShow,
    },
    follow: {
      summary: 'Follow an operation to its end',
      load: async () => (await import('./operation-follow.ts')).operationFollow,
    },
    cancel: {
      summary: 'Cancel an operation: what it did is undone',
      load: async () => (await import('./operation-cancel.ts')).operationCancel,
    },
    retry: {
      summary: 'Try again what an operation is stuck in',
      load: async () => (await import('./operation-retry.ts')).operationRetry,
    },
  },
};
