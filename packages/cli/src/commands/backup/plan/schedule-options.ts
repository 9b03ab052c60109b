/** When a plan runs: `--every 6h` or `--daily-at 22:30`. */
import type { BackupSchedule } from '@corral/api/schemas/backup-plan';
import { parseDuration } from '@corral/core/units';
import { cliErrors } from '../../../errors.ts';

export const everyOption = [
  '--every <duration>',
  'from run to run, such as 6h',
  (text: string): number => parseDuration(text),
] as const;

export const dailyAtOption = ['--daily-at <time>', 'HH:MM, UTC'] as const;

/** Undefined: none was given. @throws cli.value if both were */
export function scheduleOf(
  everyMs: number | undefined,
  dailyAt: string | undefined,
): BackupSchedule | undefined {
  if (everyMs !== undefined && dailyAt !== undefined) throw notOne('two of them');
  if (everyMs !== undefined) return { everyMs };
  return dailyAt === undefined ? undefined : { dailyAt };
}

/** @throws cli.value */
export function requiredSchedule(everyMs: number | undefined, dailyAt: string | undefined): BackupSchedule {
  const schedule = scheduleOf(everyMs, dailyAt);
  if (!schedule) throw notOne('none');
  return schedule;
}

function notOne(text: string): Error {
  return cliErrors.value({ what: 'a schedule', text, expected: 'Give one of --every and --daily-at.' });
}
