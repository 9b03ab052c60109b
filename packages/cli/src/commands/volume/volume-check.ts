import { cliErrors } from '../../errors.ts';
import { show } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';

export const volumeCheck: CommandDefinition = {
  description:
    'Compares what lies on a volume with what the VMs of this host have there: files that are missing, that are not what their format or the settings say, and files that belong to nothing. Changes nothing.\n\nEnds with exit code 1 when a VM lacks something.',
  examples: [
    { command: 'corral volume check fast', explains: 'all VMs on it' },
    { command: 'corral volume check local --vm web1', explains: 'only the files of one VM' },
  ],
  define: (command, context) => {
    command
      .argument('<volume>', 'name or id')
      .option('--vm <vm>', 'only this VM')
      .action(async (volume, { vm }) => {
        const client = await context.client();
        const report = await client.volume.check(volume, vm === undefined ? {} : { vm }, context.call);
        await show(context, report, async () => (await import('../../views/volume-view.ts')).volumeCheckText);
        if (!report.ok) throw cliErrors['volume-unsound']({ volume });
      });
  },
};
