/** Plans: backups that make themselves. */
import { z } from 'zod';
import { BackupConsistency } from './backup.ts';
import { Id, Milliseconds, Name, NameOrId, pageOf, Timestamp } from './common.ts';
import { RetentionRules } from './repository.ts';

export const BackupSchedule = z
  .union([
    z.strictObject({ everyMs: Milliseconds.min(60_000).max(366 * 86_400_000) }),
    z.strictObject({
      dailyAt: z
        .string()
        .regex(/^([01]\d|2[0-3]):[0-5]\d$/)
        .describe('HH:MM, UTC'),
    }),
  ])
  .describe('a run that was missed is caught up, once');

export const BackupPlan = z.strictObject({
  id: Id,
  name: Name,
  createdAt: Timestamp,
  vms: z.array(Id).nullable().describe('null: every VM of the host'),
  repository: z.strictObject({ id: Id, name: z.string() }),
  schedule: BackupSchedule,
  retention: RetentionRules.describe(
    'of the backups of this plan, applied after each run; no rule: all stay',
  ),
  consistency: BackupConsistency.nullable(),
  lastRunAt: Timestamp.nullable(),
  nextRunAt: Timestamp,
});

export const BackupPlanPage = pageOf(BackupPlan);

export const BackupPlanCreate = z.strictObject({
  name: Name,
  vms: z.array(NameOrId).min(1).max(1000).optional().describe('default: every VM of the host'),
  repository: NameOrId,
  schedule: BackupSchedule,
  retention: RetentionRules.default({}),
  consistency: BackupConsistency.optional(),
});

export type BackupPlan = z.infer<typeof BackupPlan>;
export type BackupPlanCreate = z.infer<typeof BackupPlanCreate>;
export type BackupSchedule = z.infer<typeof BackupSchedule>;
