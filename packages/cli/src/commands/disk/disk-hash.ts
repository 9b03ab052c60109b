import { Option } from '@commander-js/extra-typings';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { repeated } from '../repeated.ts';
import { withByteProgress } from './byte-progress.ts';
import { allowHelp, chainOptions, formatHelp, formats, localPath } from './disk-options.ts';

export const diskHash: CommandDefinition = {
  description:
    'Prints the SHA-256 of a disk as a guest sees it, parents and zeros included. It is the same for every format that holds this content.',
  examples: [
    { command: 'corral disk hash server.vhdx', explains: 'as sha256sum prints it' },
    { command: 'corral disk hash server.qcow2 -o json | jq -r .sha256', explains: 'for programs' },
  ],
  define: (command, context) => {
    command
      .argument('<file>', 'disk file')
      .addOption(new Option('--format <format>', formatHelp).choices(formats))
      .option('--allow <directory>', allowHelp, repeated(String))
      .action(async (file, options) => {
        const { hashDisk } = await import('@corral/disk/verbs/hash-disk');
        const chain = chainOptions(context.io, options);
        const report = await withByteProgress(context, `Hash ${file}`, (onProgress) =>
          hashDisk(localPath(context.io, file), { ...chain, onProgress }),
        );
        await say(context, report, `${report.sha256}  ${file}`);
      });
  },
};
