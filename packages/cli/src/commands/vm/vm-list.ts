import { listCommand } from '../list-command.ts';

export const vmList = listCommand(
  [
    { command: 'corral vm list', explains: 'all VMs, by name' },
    {
      command: `corral vm list -o json | jq -r '.items[] | select(.state == "running") | .name'`,
      explains: 'names of those that run',
    },
  ],
  (client, query, call) => client.vm.list(query, call),
  async () => (await import('../../views/vm-view.ts')).vmTable,
);
