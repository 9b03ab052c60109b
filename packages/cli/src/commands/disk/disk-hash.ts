import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { withByteProgress } from './byte-progress.ts';
import { chainOptions, localPath, withChainOptions } from './disk-options.ts';

export const diskHash: CommandDefinition = {
  description:
    'Prints the SHA-256 of a disk as a guest sees it, parents and zeros included. It is the same for every format that holds this content.',
  examples: [
    { command: 'corral disk hash server.vhdx', explains: 'as sha256sum prints it' },
    { command: 'corral disk hash server.qcow2 -o json | jq -r .sha256', explains: 'for programs' },
  ],
  define: (command, context) => {
    withChainOptions(command.argument('<file>', 'disk file')).action(async (file, options) => {
      const { hashDisk } = await import('@corral/disk/verbs/hash-disk');
      const chain = chainOptions(context.io, options);
      const report = await withByteProgress(context, `Hash ${file}`, (onProgress) =>
        hashDisk(localPath(context.io, file), { ...chain, onProgress }),
      );
      await say(context, report, `${report.sha256}  ${file}`);
    });
  },
};
