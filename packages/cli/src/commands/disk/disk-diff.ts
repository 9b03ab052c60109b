import { Option } from '@commander-js/extra-typings';
import { formatSize } from '@corral/core/units';
import type { DiffOptions } from '@corral/disk/verbs/diff-disks';
import { CommandEnded } from '../../command-ended.ts';
import type { Context } from '../../context.ts';
import { exitCodes } from '../../exit-codes.ts';
import { printLine, printStreamedList } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { repeated } from '../repeated.ts';
import { type OnProgress, withByteProgress } from './byte-progress.ts';
import { allowHelp, chainOptions, formatHelp, formats, localPath } from './disk-options.ts';

export const diskDiff: CommandDefinition = {
  description:
    'Shows where two disks differ, as their guests see them, in whole sectors of 512 bytes; their formats and chains do not matter. A disk that ends early reads as zero behind its end.\n\nEnds with exit code 0 when they are the same and 1 when they differ.',
  examples: [
    { command: 'corral disk diff a.vhdx b.qcow2', explains: 'offset and length of every difference' },
    { command: 'corral disk diff a.vhdx b.qcow2 > /dev/null && echo same', explains: 'only whether' },
  ],
  define: (command, context) => {
    command
      .argument('<file>', 'disk file')
      .argument('<other-file>', 'disk file')
      .addOption(new Option('--format <format>', `of the first; ${formatHelp}`).choices(formats))
      .addOption(new Option('--other-format <format>', `of the second; ${formatHelp}`).choices(formats))
      .option('--allow <directory>', allowHelp, repeated(String))
      .action(async (file, otherFile, { format, otherFormat, allow }) => {
        const options = {
          signal: context.signal,
          first: chainOptions(context.io, { format, allow }),
          second: chainOptions(context.io, { format: otherFormat, allow }),
        };
        const paths: Paths = [localPath(context.io, file), localPath(context.io, otherFile)];
        const print = (onProgress?: OnProgress): Promise<number> =>
          printDifferences(context, paths, { ...options, onProgress });
        // On a terminal the differences themselves show how far it is.
        const differing = context.io.stdout.isTTY
          ? await print()
          : await withByteProgress(context, `Compare ${file} with ${otherFile}`, print);
        if (differing > 0) throw new CommandEnded(exitCodes.failed.code);
      });
  },
};

type Paths = readonly [first: string, second: string];

/** @returns how many bytes differ */
async function printDifferences(
  context: Context,
  [first, second]: Paths,
  options: DiffOptions,
): Promise<number> {
  const { diffDisks } = await import('@corral/disk/verbs/diff-disks');
  let differing = 0;
  const counted = async function* () {
    for await (const range of diffDisks(first, second, options)) {
      differing += range.length;
      yield range;
    }
  };
  if (context.output === 'json') {
    await printStreamedList(context, counted());
    return differing;
  }
  for await (const { offset, length } of counted()) await printLine(context, `${offset} ${length}`);
  await printLine(context, differing === 0 ? 'The same.' : `${formatSize(differing)} differ.`);
  return differing;
}
