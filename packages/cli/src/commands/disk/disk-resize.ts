import { formatSize, parseSize } from '@corral/core/units';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { withByteProgress } from './byte-progress.ts';
import { chainOptions, localPath, withChainOptions } from './disk-options.ts';

export const diskResize: CommandDefinition = {
  description:
    'Changes the size that a guest sees, in place. New space reads as zero. Shrinking cuts off what lies behind the new end, and needs --shrink.',
  examples: [
    { command: 'corral disk resize data.vhdx 200GiB', explains: 'larger; its partitions stay as they are' },
    { command: 'corral disk resize data.vhdx 50GiB --shrink', explains: 'smaller, after its partitions are' },
  ],
  define: (command, context) => {
    withChainOptions(
      command
        .argument('<file>', 'disk file')
        .argument('<size>', 'new size, such as 200GiB', (text: string): number => parseSize(text))
        .option('--shrink', 'allow a smaller size'),
    ).action(async (file, sizeBytes, { shrink = false, ...options }) => {
      const { resizeDisk } = await import('@corral/disk/verbs/resize-disk');
      const chain = chainOptions(context.io, options);
      const report = await withByteProgress(context, `Resize ${file}`, (onProgress) =>
        resizeDisk(localPath(context.io, file), sizeBytes, {
          ...chain,
          shrink,
          onProgress,
        }),
      );
      const { sizeBytesBefore } = report;
      await say(
        context,
        report,
        `${file}: ${formatSize(sizeBytesBefore)} before, ${formatSize(sizeBytes)} now.`,
      );
    });
  },
};
