import { Option } from '@commander-js/extra-typings';
import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import { hostPath } from '../../parse/host-path.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { formats } from '../disk/disk-options.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const imageImport: CommandDefinition = {
  description:
    'Copies a disk file into the library; the file lies on the host, where the daemon runs. Raw stays raw; qcow2, VHD and VHDX are written anew as qcow2. A differencing VHD or VHDX (AVHDX) is taken with the parents that lie beside it, if their identities prove them; it becomes one disk. The file is checked first: a qcow2 that points to others, unknown features, damage and absurd sizes are refused.',
  examples: [
    { command: 'corral image import disk.qcow2 --name debian12', explains: 'a cloud image' },
    {
      command: 'corral image import /srv/from-hyper-v/web_A1B2.avhdx --name web --profile windows',
      explains: 'from Hyper-V: the disk as its checkpoint left it, parents and all',
    },
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
        new Option('--format <format>', 'of the file; default: what its header says').choices(formats),
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
