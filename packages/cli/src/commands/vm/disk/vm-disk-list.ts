import { listWithinCommand } from '../../list-command.ts';

export const vmDiskList = listWithinCommand(
  '<vm>',
  [{ command: 'corral vm disk list web1', explains: 'names, sizes, files' }],
  (client, vm, query, call) => client.vm.disk.list(vm, query, call),
  async () => (await import('../../../views/vm-view.ts')).diskTable,
);
