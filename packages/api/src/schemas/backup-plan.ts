/** Plans: backups that make themselves. */
import { z } from 'zod';
import { BackupConsistency, Bandwidth } from './backup.ts';
import { Id, Milliseconds, Name, NameOrId, pageOf, Timestamp } from './common.ts';
import { RetentionRules } from './repository.ts';

export const BackupSchedule = z
  .union([
    z.strictObject({ everyMs: Milliseconds.min(60_000).max(366 * 86_400_000) }),
    z.strictObject({
      dailyAt: z
        .string()
        .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day, such as 02:30')
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
  bytesPerSecond: Bandwidth.nullable(),
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
  bytesPerSecond: Bandwidth.optional(),
});

export const BackupPlanPatch = z
  .strictObject({
    vms: z.array(NameOrId).min(1).max(1000).nullable().describe('null: every VM of the host'),
    repository: NameOrId,
    schedule: BackupSchedule,
    retention: RetentionRules.describe('in place of those that it had'),
    consistency: BackupConsistency.nullable(),
    bytesPerSecond: Bandwidth.nullable(),
  })
  .partial();

export const BackupPlanRun = z.strictObject({
  operations: z.array(Id).describe('the backups that were begun'),
  refused: z.array(z.strictObject({ vm: z.string(), reason: z.string() })),
});

export type BackupPlan = z.infer<typeof BackupPlan>;
export type BackupPlanCreate = z.infer<typeof BackupPlanCreate>;
export type BackupPlanPatch = z.infer<typeof BackupPlanPatch>;
export type BackupPlanRun = z.infer<typeof BackupPlanRun>;
export type BackupSchedule = z.infer<typeof BackupSchedule>;
