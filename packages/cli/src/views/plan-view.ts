/** Backup plans for people. */
import type { BackupPlan } from '@corral/api/schemas/backup-plan';
import { formatDuration, formatSize } from '@corral/core/units';
import type { Paint } from '../render/paint.ts';
import { type Column, renderFacts, renderTable } from '../render/table.ts';
import { formatTime } from '../render/values.ts';

const columns: readonly Column<BackupPlan>[] = [
  { head: 'NAME', cell: ({ name }) => name },
  { head: 'VMS', cell: vmsText },
  { head: 'REPOSITORY', cell: ({ repository }) => repository.name },
  { head: 'RUNS', cell: scheduleText },
  { head: 'LAST', cell: ({ lastRunAt }) => (lastRunAt === null ? 'never' : formatTime(lastRunAt)) },
  { head: 'NEXT', cell: ({ nextRunAt }) => formatTime(nextRunAt) },
];

export function planTable(plans: readonly BackupPlan[], paint: Paint): string {
  return renderTable(plans, columns, paint);
}

export function planDetails(plan: BackupPlan, paint: Paint): string {
  const rules = Object.entries(plan.retention).filter(([, count]) => count !== undefined);
  return renderFacts(
    [
      ['Name', plan.name],
      ['Id', plan.id],
      ['Created', formatTime(plan.createdAt)],
      ['VMs', plan.vms ?? 'every VM of the host'],
      ['Repository', plan.repository.name],
      ['Runs', scheduleText(plan)],
      ['Keeps', rules.length === 0 ? 'all' : rules.map(([rule, count]) => `${count} ${rule}`).join(', ')],
      ['Consistency', plan.consistency ?? 'as much as can be had'],
      [
        'Bandwidth',
        plan.bytesPerSecond === null ? 'no limit' : `${formatSize(plan.bytesPerSecond)} per second`,
      ],
      ['Last run', plan.lastRunAt === null ? 'never' : formatTime(plan.lastRunAt)],
      ['Next run', formatTime(plan.nextRunAt)],
    ],
    paint,
  );
}

function vmsText({ vms }: BackupPlan): string {
  return vms === null ? 'all' : String(vms.length);
}

function scheduleText({ schedule }: BackupPlan): string {
  return 'everyMs' in schedule
    ? `every ${formatDuration(schedule.everyMs)}`
    : `daily at ${schedule.dailyAt} UTC`;
}
