import { Option } from '@commander-js/extra-typings';
import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import { hostPath } from '../../parse/host-path.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const imageImport: CommandDefinition = {
  description:
    'Copies a disk file of the host into the library. Its header is checked first: a file that points to others, has unknown features or absurd sizes is refused.',
  examples: [
    { command: 'corral image import disk.qcow2 --name debian12', explains: 'a cloud image' },
    {
      command: 'corral image import win.img --name win2022 --format raw --profile windows',
      explains: 'a raw disk with Windows on it',
    },
  ],
  define: (command, context) => {
    command
      .argument('<file>', 'disk file on the host')
      .requiredOption('--name <name>', 'name of the image')
      .addOption(
        new Option('--format <format>', 'default: what the header says').choices(['qcow2', 'raw'] as const),
      )
      .addOption(
        new Option('--profile <profile>', 'what its guest system needs; default: linux').choices([
          'linux',
          'windows',
          'micro',
        ] as const),
      )
      .option(...noWait)
      .option(...waitLimit)
      .action(async (file, { name, format, profile, ...choice }) => {
        const path = hostPath(file, context.endpoint.kind === 'socket', context.io.currentDirectory);
        await runOperation(
          context,
          choice,
          (client) =>
            client.image.import(
              { name, path, ...(format && { format }), ...(profile && { profile }) },
              context.call,
            ),
          async (client) =>
            say(context, await client.image.show(name, context.call), `Image ${name} is imported.`),
        );
      });
  },
};
