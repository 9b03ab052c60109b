import { parseSize } from '@corral/core/units';
import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { reserve } from './reserve-option.ts';

export const volumeSet: CommandDefinition = {
  description:
    'Changes the reserve of a volume. New disks, copies, imports and checkpoints that would leave less free are refused before they begin; VMs that run are never stopped by it.',
  examples: [
    { command: 'corral volume set local --reserve 20GiB', explains: 'of the data directory' },
    { command: 'corral volume set fast --reserve default', explains: '5 % of the volume, at most 4 GiB' },
  ],
  define: (command, context) => {
    command
      .argument('<volume>', 'name or id')
      .requiredOption(
        reserve.flags,
        `${reserve.description}; or "default"`,
        (text: string): number | 'default' => (text === 'default' ? text : parseSize(text)),
      )
      .option(...noWait)
      .option(...waitLimit)
      .action(async (name, { reserve: reserveBytes, ...choice }) => {
        await runOperation(
          context,
          choice,
          (client) =>
            client.volume.update(
              name,
              { reserveBytes: reserveBytes === 'default' ? null : reserveBytes },
              context.call,
            ),
          async (client) =>
            say(context, await client.volume.show(name, context.call), `Volume ${name} is changed.`),
        );
      });
  },
};
