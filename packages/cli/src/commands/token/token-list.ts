import { listCommand } from '../list-command.ts';

export const tokenList = listCommand(
  [{ command: 'corral token list', explains: 'roles, and when they end' }],
  (client, query, call) => client.token.list(query, call),
  async () => (await import('../../views/token-view.ts')).tokenTable,
);
