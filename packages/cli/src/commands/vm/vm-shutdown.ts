import { formatDuration, parseDuration } from '@corral/core/units';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { runVmOperation } from './vm-result.ts';

const defaultLimitMs = 120_000;

export const vmShutdown: CommandDefinition = {
  description:
    'Asks the guest to shut down: through its agent, else by the power button (ACPI). A guest that does not end within the limit goes on running, and the command fails; with --force it is then turned off.',
  examples: [
    { command: 'corral vm shutdown web1', explains: `the guest has ${formatDuration(defaultLimitMs)}` },
    { command: 'corral vm shutdown web1 --limit 5m --force', explains: 'turn it off if it takes longer' },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .option(
        '--limit <duration>',
        `how long the guest may take; default: ${formatDuration(defaultLimitMs)}`,
        (text: string): number => parseDuration(text),
      )
      .option('--force', 'turn it off when the limit has passed')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (vm, { limit = defaultLimitMs, force = false, ...choice }) => {
        await runVmOperation(
          context,
          choice,
          (client) => client.vm.shutdown(vm, { limitMs: limit, force }, context.call),
          vm,
        );
      });
  },
};
