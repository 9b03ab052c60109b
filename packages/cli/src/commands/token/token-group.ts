import type { CommandGroup } from '../../tree/command-tree.ts';

export const tokenGroup: CommandGroup = {
  description:
    'Tokens let a program or a person use the API over TLS. A token carries a role: viewer (sees), operator (works with VMs), administrator (everything); each includes the ones before it.',
  examples: [
    { command: 'corral token create --role operator --expires 30d', explains: 'its secret is shown once' },
    { command: 'corral token list', explains: 'roles and when they end' },
    { command: 'corral token revoke ci', explains: 'refused from the next request on' },
  ],
  commands: {
    create: {
      summary: 'Make a token; its secret is shown only now',
      load: async () => (await import('./token-create.ts')).tokenCreate,
    },
    list: {
      summary: 'List the tokens, without their secrets',
      load: async () => (await import('./token-list.ts')).tokenList,
    },
    revoke: {
      summary: 'Revoke a token',
      load: async () => (await import('./token-revoke.ts')).tokenRevoke,
    },
  },
};
