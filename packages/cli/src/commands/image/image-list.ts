import { listCommand } from '../list-command.ts';

export const imageList = listCommand(
  [{ command: 'corral image list', explains: 'all images' }],
  (client, query, call) => client.image.list(query, call),
  async () => (await import('../../views/image-view.ts')).imageTable,
);
