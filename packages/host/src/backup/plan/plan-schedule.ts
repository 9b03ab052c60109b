/** When a plan is due. Pure. */
import type { BackupSchedule } from '@corral/api/schemas/backup-plan';

const dayMs = 86_400e3;
/** Clocks that are put right go back by less. */
const clockErrorMs = 3600e3;

/**
 * The first run after the last one, or after the plan was made. It may lie in the past: then it was missed, and is due
 * now; however many were missed, one run catches them up.
 */
export function nextRun(schedule: BackupSchedule, after: Date): Date {
  if ('everyMs' in schedule) return new Date(after.getTime() + schedule.everyMs);
  const [hours, minutes] = schedule.dailyAt.split(':').map(Number) as [number, number];
  const sameDay = new Date(after);
  sameDay.setUTCHours(hours, minutes, 0, 0);
  return sameDay.getTime() > after.getTime() ? sameDay : new Date(sameDay.getTime() + dayMs);
}

/** A last run that lies far ahead was noted by a wrong clock: waiting for it could take years. */
export function isDue(schedule: BackupSchedule, last: Date, now: Date): boolean {
  return last.getTime() > now.getTime() + clockErrorMs || nextRun(schedule, last) <= now;
}
