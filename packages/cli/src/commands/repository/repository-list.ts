import { listCommand } from '../list-command.ts';

export const repositoryList = listCommand(
  [{ command: 'corral repository list', explains: 'all that this host knows' }],
  (client, query, call) => client.repository.list(query, call),
  async () => (await import('../../views/repository-view.ts')).repositoryTable,
);
