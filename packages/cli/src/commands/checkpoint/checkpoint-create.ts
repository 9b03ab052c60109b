import { Option } from '@commander-js/extra-typings';
import type { Checkpoint } from '@corral/api/schemas/checkpoint';
import { formatDuration, formatSize, parseDuration } from '@corral/core/units';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { runCheckpointOperation } from './checkpoint-result.ts';

const defaultFreezeLimitMs = 10_000;

export const checkpointCreate: CommandDefinition = {
  description:
    'Takes a checkpoint of a VM that is running, paused, saved or off. A standard one of a running VM holds its memory and its disks of one instant; the guest stops for milliseconds. For a production one the guest brings its file systems to rest through its agent; no memory is kept, and applying it leaves the VM off.',
  examples: [
    { command: 'corral checkpoint create web1 --name before-update', explains: 'with memory' },
    { command: 'corral checkpoint create web1', explains: 'named after the time' },
    {
      command: 'corral checkpoint create db1 --type production',
      explains: 'file systems at rest; refused without an agent',
    },
    {
      command: 'corral checkpoint create db1 --type production --allow crash',
      explains: 'if the guest cannot be brought to rest, as after a power cut',
    },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .option('--name <new-name>', 'name of the checkpoint; default: the time')
      .addOption(
        new Option('--type <type>', 'what to take; default: standard').choices([
          'standard',
          'production',
        ] as const),
      )
      .addOption(
        new Option('--allow <consistency>', 'of production: take it also with this consistency').choices([
          'crash',
        ] as const),
      )
      .option(
        '--freeze-limit <duration>',
        `of production: how long the guest may take to come to rest; default: ${formatDuration(defaultFreezeLimitMs)}`,
        (text: string): number => parseDuration(text),
      )
      .option(...noWait)
      .option(...waitLimit)
      .action(async (vm, { name, type, allow, freezeLimit, ...choice }) => {
        const request = {
          ...(name !== undefined && { name }),
          ...(type !== undefined && { type }),
          ...(freezeLimit !== undefined && { freezeLimitMs: freezeLimit }),
          allowCrash: allow === 'crash',
        };
        await runCheckpointOperation(
          context,
          choice,
          vm,
          (client) => client.checkpoint.create(vm, request, context.call),
          (checkpoint) => sentence(vm, checkpoint),
        );
      });
  },
};

function sentence(vm: string, { name, consistency, pauseMs, reason, sizeBytes }: Checkpoint): string {
  const pause = pauseMs === null ? '' : `, the guest stood still for ${pauseMs} ms`;
  const why = reason === null ? '' : ` (${reason})`;
  return `Checkpoint ${name} of ${vm} is taken: ${formatSize(sizeBytes)}, consistency ${consistency}${why}${pause}.`;
}
