import { printLine, printStreamedList } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { chainOptions, localPath, withChainOptions } from './disk-options.ts';

export const diskMap: CommandDefinition = {
  description:
    'Shows which part of a disk comes from which file of its chain: data, zero (this file says so), or hole (no file has anything, it reads as zero).',
  examples: [
    { command: 'corral disk map child.avhdx', explains: 'offset, length, kind, file' },
    {
      command: `corral disk map child.avhdx -o json | jq '[.items[] | select(.kind == "data").length] | add'`,
      explains: 'how many bytes hold data',
    },
  ],
  define: (command, context) => {
    withChainOptions(command.argument('<file>', 'disk file')).action(async (file, options) => {
      const { mapDisk } = await import('@corral/disk/verbs/map-disk');
      const extents = mapDisk(localPath(context.io, file), chainOptions(context.io, options));
      if (context.output === 'json') return printStreamedList(context, extents);
      const row = (...cells: readonly string[]): string =>
        `${cells[0]!.padStart(16)}  ${cells[1]!.padStart(16)}  ${cells[2]!.padEnd(4)}  ${cells[3]}`;
      await printLine(context, row('OFFSET', 'LENGTH', 'KIND', 'FILE'));
      for await (const { offset, length, kind, path } of extents) {
        await printLine(context, row(String(offset), String(length), kind, path));
      }
    });
  },
};
