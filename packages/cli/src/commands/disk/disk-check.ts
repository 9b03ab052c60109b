import { cliErrors } from '../../errors.ts';
import { show } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { withByteProgress } from './byte-progress.ts';
import { chainOptions, localPath, withChainOptions } from './disk-options.ts';

export const diskCheck: CommandDefinition = {
  description:
    'Checks a disk file by the rules of its format, and whether the chain below it holds. With --repair space that nothing uses is given back, a log is replayed, a damaged copy restored from a good one; content is never guessed.\n\nEnds with exit code 1 when something is left to repair.',
  examples: [
    { command: 'corral disk check server.vhdx', explains: 'changes nothing' },
    { command: 'corral disk check --repair server.vhdx', explains: 'mend what can be mended' },
  ],
  define: (command, context) => {
    withChainOptions(
      command.argument('<file>', 'disk file').option('--repair', 'mend what can be mended without guessing'),
    ).action(async (file, { repair = false, ...options }) => {
      const { checkDisk } = await import('@corral/disk/verbs/check-disk');
      const report = await withByteProgress(context, `Check ${file}`, (onProgress) =>
        checkDisk(localPath(context.io, file), {
          ...chainOptions(context.io, options),
          repair,
          onProgress,
        }),
      );
      await show(context, report, async () => (await import('../../views/disk-view.ts')).checkText);
      if (!report.ok) throw cliErrors['disk-unsound']({ path: file });
    });
  },
};
