import { Option } from '@commander-js/extra-typings';
import { formatSize, parseSize } from '@corral/core/units';
import type { ConvertReport } from '@corral/disk/verbs/convert-disk';
import type { Context } from '../../context.ts';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { repeated } from '../repeated.ts';
import { withByteProgress } from './byte-progress.ts';
import { sectorOption } from './disk-create.ts';
import { allowHelp, chainOptions, formatHelp, formatOfNew, formats, localPath } from './disk-options.ts';

export const diskConvert: CommandDefinition = {
  description:
    'Writes the content of a disk, the whole chain below it included, to a new file. The name of the new file says its format unless --format does. What the format or the volume cannot hold is refused before the work begins; an existing file is never overwritten, and what fails leaves nothing behind.',
  examples: [
    { command: 'corral disk convert server.avhdx server.qcow2', explains: 'from Hyper-V, chain and all' },
    { command: 'corral disk convert server.qcow2 server.vhdx --fixed', explains: 'to Hyper-V' },
    {
      command: 'corral disk convert child.avhdx child.qcow2 --parent base.qcow2',
      explains: 'only the topmost file, on a parent that was converted before',
    },
  ],
  define: (command, context) => {
    command
      .argument('<source>', 'disk file')
      .argument('<target>', 'the new file')
      .addOption(
        new Option('--format <format>', 'of the new file; default: what its name says').choices(formats),
      )
      .addOption(new Option('--source-format <format>', formatHelp).choices(formats))
      .option('--fixed', 'take the whole space at once')
      .option('--parent <file>', 'write only the topmost file, as a difference to this one')
      .option('--allow <directory>', allowHelp, repeated(String))
      .option('--block-size <size>', 'block or cluster size', (text: string): number => parseSize(text))
      .addOption(sectorOption())
      .option('--extended-l2', 'qcow2: 32 subclusters to a cluster')
      .option('--skip-space-check', 'begin even if the volume may be too small')
      .action(async (source, target, options) => {
        const { convertDisk } = await import('@corral/disk/verbs/convert-disk');
        const { sourceFormat, parent, allow, fixed, blockSize, sectorSize, extendedL2 } = options;
        const link = parent === undefined ? undefined : await parentLink(context, parent, target, allow);
        const wanted = {
          signal: context.signal,
          source: chainOptions(context.io, { format: sourceFormat, allow }),
          format: formatOfNew(target, options.format),
          variant: fixed ? ('fixed' as const) : undefined,
          parent: link,
          blockBytes: blockSize,
          logicalSectorBytes: sectorSize && Number(sectorSize),
          extendedL2,
          skipSpaceCheck: options.skipSpaceCheck,
        };
        const [from, to] = [localPath(context.io, source), localPath(context.io, target)];
        const report = await withByteProgress(context, `Convert ${source}`, (onProgress) =>
          convertDisk(from, to, { ...wanted, onProgress }),
        );
        await say(context, report, `${target}: ${resultText(report)}`);
      });
  },
};

function resultText({ sizeBytes, writtenBytes, fileBytes, shared }: ConvertReport): string {
  if (shared) return `${formatSize(sizeBytes)}, sharing its blocks with the source until either changes.`;
  return `${formatSize(sizeBytes)}, of which ${formatSize(writtenBytes)} hold data; the file has ${formatSize(fileBytes)}.`;
}

async function parentLink(
  context: Context,
  parent: string,
  target: string,
  allow: readonly string[] | undefined,
) {
  const [{ openChain }, { linkTo }] = await Promise.all([
    import('@corral/disk/chain'),
    import('@corral/disk/verbs/create-disk'),
  ]);
  const chain = { ...chainOptions(context.io, { allow }), readOnly: true };
  await using disk = await openChain(localPath(context.io, parent), chain);
  return await linkTo(disk, localPath(context.io, target));
}
