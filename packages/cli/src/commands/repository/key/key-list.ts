import { listWithinCommand } from '../../list-command.ts';

export const keyList = listWithinCommand(
  '<repository>',
  [{ command: 'corral repository key list vault', explains: 'names and kinds; no secrets' }],
  (client, repository, query, call) => client.repository.key.list(repository, query, call),
  async () => (await import('../../../views/repository-view.ts')).keyTable,
);
