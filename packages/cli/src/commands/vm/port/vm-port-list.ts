import { listWithinCommand } from '../../list-command.ts';

export const vmPortList = listWithinCommand(
  '<vm>',
  [{ command: 'corral vm port list web1', explains: 'networks and addresses' }],
  (client, vm, query, call) => client.vm.port.list(vm, query, call),
  async () => (await import('../../../views/vm-view.ts')).portTable,
);
