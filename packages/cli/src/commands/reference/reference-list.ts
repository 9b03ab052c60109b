import { listWithinCommand } from '../list-command.ts';

export const referenceList = listWithinCommand(
  '<vm>',
  [{ command: 'corral reference list web1', explains: 'those of backups move on with each' }],
  (client, vm, query, call) => client.reference.list(vm, query, call),
  async () => (await import('../../views/reference-view.ts')).referenceTable,
);
