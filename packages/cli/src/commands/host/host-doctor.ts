import { CommandEnded } from '../../command-ended.ts';
import { exitCodes } from '../../exit-codes.ts';
import { show } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';

/** The doctor measures the accelerator and asks every VM; that may take its time. */
const limitMs = 180_000;

export const hostDoctor: CommandDefinition = {
  description:
    'Checks the host against what is known to break such systems: accelerator, memory reserve, space, clock, versions, limits, foreign programs that open VM files, left-overs. Each finding comes with its fix.\n\nEnds with exit code 1 when a finding is an error.',
  examples: [
    { command: 'corral host doctor', explains: 'all findings, the worst first' },
    { command: 'corral host doctor || mail -s "corral" root', explains: 'in a cron job' },
  ],
  define: (command, context) => {
    command.action(async () => {
      const client = await context.client();
      const report = await client.host.doctor({ ...context.call, limitMs });
      await show(context, report, async () => (await import('../../views/host-view.ts')).doctorText);
      if (report.worst === 'error') throw new CommandEnded(exitCodes.failed.code);
    });
  },
};
