import type { CheckpointPresent } from '@corral/api/schemas/checkpoint';
import { collect } from '../../list.ts';
import { show } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';

export const checkpointList: CommandDefinition = {
  description:
    'Draws the tree of checkpoints, with "now" where the present stands. Sizes are what each takes on its volume; a layer that several need is counted at the oldest.',
  examples: [
    { command: 'corral checkpoint list web1', explains: 'the tree, with sizes and consistency' },
    {
      command: "corral checkpoint list web1 -o json | jq -r '.items[].name'",
      explains: 'the names, oldest first',
    },
  ],
  define: (command, context) => {
    command.argument('<vm>', 'name or id').action(async (vm) => {
      const client = await context.client();
      let present: CheckpointPresent = { parentId: null, sizeBytes: 0 };
      const page = await collect({}, async (query) => {
        const answer = await client.checkpoint.list(vm, query, context.call);
        present = answer.present;
        return answer;
      });
      await show(
        context,
        { ...page, present },
        async () => (await import('../../views/checkpoint-view.ts')).checkpointTree,
      );
    });
  },
};
