import { show } from '../../../output.ts';
import type { CommandDefinition } from '../../../tree/command-tree.ts';

export const guestInfo: CommandDefinition = {
  description:
    'What the guest tells about itself: system, kernel, addresses, clock, version of its agent. Fails while the agent does not answer yet.',
  examples: [
    { command: 'corral vm guest info web1', explains: 'for people' },
    {
      command: `corral vm guest info web1 -o json | jq -r '.addresses[].address'`,
      explains: 'its addresses',
    },
  ],
  define: (command, context) => {
    command.argument('<vm>', 'name or id').action(async (vm) => {
      const client = await context.client();
      const guest = await client.guest.info(vm, context.call);
      await show(context, guest, async () => (await import('../../../views/guest-view.ts')).guestDetails);
    });
  },
};
