import { Argument } from '@commander-js/extra-typings';
import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const imageBuild: CommandDefinition = {
  description:
    'Builds an image from the Debian packages of this host, which are fetched and unpacked beside the system; the system itself stays as it is. The recipe "micro" is a small Linux that boots in seconds, runs from its memory and has a shell on its serial console and the guest agent.',
  examples: [
    { command: 'corral image build micro', explains: 'an image named micro' },
    { command: 'corral image build micro --name tiny', explains: 'the same under another name' },
  ],
  define: (command, context) => {
    command
      .addArgument(new Argument('<recipe>', 'what to build').choices(['micro'] as const))
      .option('--name <name>', 'name of the image; default: that of the recipe')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (recipe, { name, ...choice }) => {
        const image = name ?? recipe;
        await runOperation(
          context,
          choice,
          (client) => client.image.build({ recipe, name: image }, context.call),
          async (client) =>
            say(context, await client.image.show(image, context.call), `Image ${image} is built.`),
        );
      });
  },
};
