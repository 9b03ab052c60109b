import { BackupVerified } from '@corral/api/schemas/restore';
import { parseDuration } from '@corral/core/units';
import { CommandEnded } from '../../command-ended.ts';
import { exitCodes } from '../../exit-codes.ts';
import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { inRepository } from './backup-options.ts';

export const backupVerify: CommandDefinition = {
  description:
    'Proves a backup by running it: a temporary VM without a network starts from the backup within seconds, and its agent, or a text on its serial console, is waited for. The finding and a picture of the display are kept beside the backup; of the VM nothing is left.\n\nEnds with exit code 1 when the guest did not come up.',
  examples: [
    { command: 'corral backup verify nightly', explains: 'until its agent answers' },
    {
      command: 'corral backup verify nightly --console "login:" --limit 10m',
      explains: 'a guest without an agent',
    },
  ],
  define: (command, context) => {
    command
      .argument('<backup>', 'id, or name if no other has it')
      .option(...inRepository)
      .option('--console <text>', 'text on the serial console to wait for, instead of the agent')
      .option('--limit <duration>', 'how long the guest may take (default: 5m)', parseDuration)
      .option(...noWait)
      .option(...waitLimit)
      .action(async (backup, { repository, console, limit, ...choice }) => {
        const request = {
          ...(repository !== undefined && { repository }),
          ...(console !== undefined && { console }),
          ...(limit !== undefined && { limitMs: limit }),
        };
        await runOperation(
          context,
          choice,
          (client) => client.restore.verify(backup, request, context.call),
          async (_client, { output }) => {
            const found = BackupVerified.parse(output);
            await say(context, found, `Backup ${backup} ${found.outcome}. ${found.detail}`);
            if (found.outcome === 'failed') throw new CommandEnded(exitCodes.failed.code);
          },
        );
      });
  },
};
