import { show } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';

export const imageShow: CommandDefinition = {
  examples: [{ command: 'corral image show micro', explains: 'size, source, which VMs need it' }],
  define: (command, context) => {
    command.argument('<image>', 'name or id').action(async (name) => {
      const client = await context.client();
      const image = await client.image.show(name, context.call);
      await show(context, image, async () => (await import('../../views/image-view.ts')).imageDetails);
    });
  },
};
