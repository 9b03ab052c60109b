/** How the changes of a VM's disks are tracked for backups, and how far that is proved (docs/design/0009-change-tracking.md). */
import { z } from 'zod';
import { Bytes, Id, Timestamp } from './common.ts';

export const TrackingMode = z
  .enum(['changes', 'none'])
  .describe(
    'changes: a backup reads what changed since the one before; none: every backup reads every allocated block, and nothing is kept between backups',
  );

export const TrackedDisk = z.strictObject({
  name: z.string(),
  sizeBytes: Bytes,
  auditedAt: Timestamp.nullable().describe('when a part of it was last compared with the repository'),
  auditedBytes: Bytes.describe('compared in the round under way'),
  provedAt: Timestamp.nullable().describe('every byte was proved since; null: not yet'),
  suspect: z
    .strictObject({ foundAt: Timestamp, offset: Bytes, length: Bytes })
    .nullable()
    .describe(
      'where the audit found a difference; until the disk was read in full its changes are not believed',
    ),
});

export const Tracking = z.strictObject({
  mode: TrackingMode,
  auditDays: z.int().describe('within so many days every byte of a disk is proved'),
  repositories: z
    .array(
      z.strictObject({
        id: Id.describe('of the repository itself'),
        name: z.string(),
        backupId: Id.describe('the backup from which the next one counts'),
        since: Timestamp,
        disks: z.array(TrackedDisk),
      }),
    )
    .describe('those from whose last backup the next one counts'),
});

export const TrackingPatch = z.strictObject({
  mode: TrackingMode.optional(),
  auditDays: z.int().min(1).max(3650).optional(),
});

export type Tracking = z.infer<typeof Tracking>;
export type TrackingPatch = z.infer<typeof TrackingPatch>;
export type TrackedDisk = z.infer<typeof TrackedDisk>;
