import { Option } from '@commander-js/extra-typings';
import { TrackingMode } from '@corral/api/schemas/tracking';
import { show } from '../../output.ts';
import { wholeNumber } from '../../parse/numbers.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';

export const backupTracking: CommandDefinition = {
  description:
    'Shows how the changes of a VM are tracked for its backups, and how far that is proved: with each backup a part of what is called unchanged is compared with the repository, so that within some days every byte was. With --mode none nothing is kept between backups: no layer stays for them, and every backup reads every allocated block (it still stores only what is new).',
  examples: [
    { command: 'corral backup tracking web1', explains: 'since when each disk is proved' },
    { command: 'corral backup tracking web1 --audit-days 7', explains: 'prove every byte every week' },
    {
      command: 'corral backup tracking scratch --mode none',
      explains: 'no tracking; backups read everything',
    },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .addOption(new Option('--mode <mode>', 'from the next backup on').choices(TrackingMode.options))
      .option(
        '--audit-days <days>',
        'prove every byte within so many days; default: 30',
        wholeNumber('a number of days', 1, 3650),
      )
      .action(async (vm, { mode, auditDays }) => {
        const client = await context.client();
        const patch = { ...(mode !== undefined && { mode }), ...(auditDays !== undefined && { auditDays }) };
        const tracking =
          Object.keys(patch).length === 0
            ? await client.tracking.show(vm, context.call)
            : await client.tracking.set(vm, patch, context.call);
        await show(
          context,
          tracking,
          async () => (await import('../../views/tracking-view.ts')).trackingText,
        );
      });
  },
};
