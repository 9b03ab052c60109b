import { show } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';

export const volumeShow: CommandDefinition = {
  examples: [{ command: 'corral volume show fast', explains: 'owner, what works there, space, who uses it' }],
  define: (command, context) => {
    command.argument('<volume>', 'name or id').action(async (name) => {
      const client = await context.client();
      const volume = await client.volume.show(name, context.call);
      await show(context, volume, async () => (await import('../../views/volume-view.ts')).volumeDetails);
    });
  },
};
