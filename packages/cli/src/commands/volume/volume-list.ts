import { listCommand } from '../list-command.ts';

export const volumeList = listCommand(
  [{ command: 'corral volume list', explains: 'all volumes' }],
  (client, query, call) => client.volume.list(query, call),
  async () => (await import('../../views/volume-view.ts')).volumeTable,
);
