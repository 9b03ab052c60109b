import { formatSize } from '@corral/core/units';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { withByteProgress } from './byte-progress.ts';
import { chainOptions, localPath, withChainOptions } from './disk-options.ts';

export const diskMerge: CommandDefinition = {
  description:
    'Puts what a differencing disk holds into its parent and removes the differencing disk. Interrupted, it does no harm: the differencing disk shows the right content until it is gone, and the same command finishes the work.',
  examples: [{ command: 'corral disk merge server_A1B2.avhdx', explains: 'its parent has its content then' }],
  define: (command, context) => {
    withChainOptions(command.argument('<file>', 'differencing disk; removed at the end')).action(
      async (file, options) => {
        const { mergeDisk } = await import('@corral/disk/verbs/merge-disk');
        const chain = chainOptions(context.io, options);
        const report = await withByteProgress(context, `Merge ${file}`, (onProgress) =>
          mergeDisk(localPath(context.io, file), { ...chain, onProgress }),
        );
        await say(
          context,
          report,
          `${file} is merged into ${report.parent} (${formatSize(report.writtenBytes)}) and removed.`,
        );
      },
    );
  },
};
