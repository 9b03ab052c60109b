import { Option } from '@commander-js/extra-typings';
import { formatSize, parseSize } from '@corral/core/units';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { repeated } from '../repeated.ts';
import { allowHelp, chainOptions, formatOfNew, formats, localPath } from './disk-options.ts';

export const diskCreate: CommandDefinition = {
  description:
    'Creates a disk: blank, or a differencing disk on a parent, which must not be written to any more. The name says the format (.qcow2, .vhd, .vhdx, .avhdx, .raw, .img) unless --format does. An existing file is never overwritten.',
  examples: [
    { command: 'corral disk create data.vhdx 100GiB', explains: 'dynamic: it takes space as it is filled' },
    { command: 'corral disk create data.vhd 20GiB --fixed', explains: 'takes its whole space at once' },
    { command: 'corral disk create child.avhdx --parent base.vhdx', explains: 'a differencing disk' },
  ],
  define: (command, context) => {
    command
      .argument('<file>', 'the new file')
      .argument('[size]', 'such as 20GiB; with --parent, that of the parent', (text: string): number =>
        parseSize(text),
      )
      .addOption(new Option('--format <format>', 'default: what the name says').choices(formats))
      .option('--fixed', 'take the whole space at once')
      .option('--parent <file>', 'a differencing disk on this one')
      .addOption(
        new Option('--parent-format <format>', 'default: recognised from its content').choices(formats),
      )
      .option('--allow <directory>', allowHelp, repeated(String))
      .option('--block-size <size>', 'block or cluster size', (text: string): number => parseSize(text))
      .addOption(sectorOption())
      .option('--extended-l2', 'qcow2: 32 subclusters to a cluster')
      .action(async (file, sizeBytes, options) => {
        const { createDisk } = await import('@corral/disk/verbs/create-disk');
        const { format, parent, parentFormat, allow, fixed, blockSize, sectorSize, extendedL2 } = options;
        const info = await createDisk(localPath(context.io, file), {
          ...chainOptions(context.io, { allow }),
          format: formatOfNew(file, format),
          sizeBytes,
          variant: fixed ? 'fixed' : undefined,
          parent: parent && localPath(context.io, parent),
          parentFormat,
          blockBytes: blockSize,
          logicalSectorBytes: sectorSize && Number(sectorSize),
          extendedL2,
        });
        await say(context, info, `${file}: ${info.format}, ${info.variant}, ${formatSize(info.sizeBytes)}`);
      });
  },
};

/** Of a VHDX. */
export function sectorOption() {
  return new Option('--sector-size <bytes>', 'VHDX: logical sector; default: 512').choices([
    '512',
    '4096',
  ] as const);
}
