import { Option } from '@commander-js/extra-typings';
import { formatSize } from '@corral/core/units';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { withByteProgress } from './byte-progress.ts';
import { chainOptions, formatHelp, formats, localPath } from './disk-options.ts';

export const diskCompact: CommandDefinition = {
  description:
    'Gives space back to the volume: blocks of zeros, blocks that nothing uses, the tail of the file. The content stays.',
  examples: [{ command: 'corral disk compact server.vhdx', explains: 'after the guest deleted much' }],
  define: (command, context) => {
    command
      .argument('<file>', 'disk file')
      .addOption(new Option('--format <format>', formatHelp).choices(formats))
      .action(async (file, options) => {
        const { compactDisk } = await import('@corral/disk/verbs/resize-disk');
        const chain = chainOptions(context.io, options);
        const report = await withByteProgress(context, `Compact ${file}`, (onProgress) =>
          compactDisk(localPath(context.io, file), { ...chain, onProgress }),
        );
        const { occupiedBytesBefore, occupiedBytesAfter } = report;
        await say(
          context,
          report,
          `${file} takes ${formatSize(occupiedBytesAfter)} of the volume; it took ${formatSize(occupiedBytesBefore)}.`,
        );
      });
  },
};
