import { show } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';

export const vmShow: CommandDefinition = {
  examples: [
    { command: 'corral vm show web1', explains: 'settings, state, disks and ports' },
    { command: 'corral vm show web1 -o json | jq .pid', explains: "the process id of the VM's QEMU" },
  ],
  define: (command, context) => {
    command.argument('<vm>', 'name or id').action(async (name) => {
      const client = await context.client();
      const vm = await client.vm.show(name, context.call);
      await show(context, vm, async () => (await import('../../views/vm-view.ts')).vmDetails);
    });
  },
};
