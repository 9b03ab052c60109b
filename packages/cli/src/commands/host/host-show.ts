import { show } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';

export const hostShow: CommandDefinition = {
  examples: [
    { command: 'corral host show', explains: 'for people' },
    { command: 'corral host show -o json | jq -r .accelerator.kind', explains: 'kvm or tcg' },
  ],
  define: (command, context) => {
    command.action(async () => {
      const client = await context.client();
      const host = await client.host.show(context.call);
      await show(context, host, async () => (await import('../../views/host-view.ts')).hostDetails);
    });
  },
};
