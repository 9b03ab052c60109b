import { show } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { chainOptions, localPath, withChainOptions } from './disk-options.ts';

export const diskInspect: CommandDefinition = {
  description:
    'Shows what a disk is and the chain it rests on, also when that is broken: the report says where and why. Reads metadata only, however large the disk is.',
  examples: [
    { command: 'corral disk inspect server.avhdx', explains: 'format, size, identity, parents' },
    { command: 'corral disk inspect diff.avhdx --allow /srv/parents', explains: 'its parents lie elsewhere' },
  ],
  define: (command, context) => {
    withChainOptions(command.argument('<file>', 'disk file')).action(async (file, options) => {
      const { inspectDisk } = await import('@corral/disk/verbs/inspect-disk');
      const report = await inspectDisk(localPath(context.io, file), chainOptions(context.io, options));
      await show(context, report, async () => (await import('../../views/disk-view.ts')).inspectText);
    });
  },
};
