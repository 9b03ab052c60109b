/** Reference points and what changed since (docs/howto/read-changes.md). */
import { z } from 'zod';
import { BackupConsistency } from './backup.ts';
import { Bytes, Id, Milliseconds, Name, NameOrId, PageQuery, pageOf, Timestamp } from './common.ts';

export const Reference = z.strictObject({
  id: Id,
  name: z.string(),
  createdAt: Timestamp,
  backup: z
    .strictObject({ repositoryId: Id, backupId: Id })
    .nullable()
    .describe('of backups: moves on with each; null for one that somebody created'),
  disks: z.array(z.strictObject({ name: z.string(), sizeBytes: Bytes })),
});

export const ReferencePage = pageOf(Reference);

const Freeze = {
  consistency: BackupConsistency.optional().describe(
    'at least this, or it fails; default: as much as can be had',
  ),
  freezeLimitMs: Milliseconds.min(100).max(120_000).default(10_000),
};

export const ReferenceCreate = z.strictObject({
  name: Name.optional().describe('default: the time'),
  ...Freeze,
});

export const ChangesOpen = z.strictObject({
  since: NameOrId.optional().describe('reference point; without it everything counts as changed'),
  reference: Name.optional().describe('also create a reference point of this name at the same instant'),
  keepMs: Milliseconds.min(10_000)
    .max(7 * 86_400_000)
    .default(3_600_000)
    .describe('how long they can be read'),
  ...Freeze,
});

export const ChangedDisk = z.strictObject({
  name: z.string(),
  sizeBytes: Bytes,
  tracked: z
    .boolean()
    .describe('false: what changed is not known (a new disk, or one put in place anew): all of it is listed'),
  changedBytes: Bytes,
  extents: z.int().min(0).describe('how many'),
});

export const Changes = z.strictObject({
  id: Id,
  vmId: Id,
  since: z.strictObject({ id: Id, name: z.string(), createdAt: Timestamp }).nullable(),
  createdAt: Timestamp.describe('the instant of which the disks are'),
  expiresAt: Timestamp,
  consistency: BackupConsistency,
  reason: z.string().nullable().describe('why the consistency is no better'),
  frozenMs: Milliseconds,
  nbd: z
    .string()
    .describe('nbd+unix:///DISK?socket=PATH with DISK in place of the name: read-only, on the host'),
  disks: z.array(ChangedDisk),
});

export const ChangesPage = pageOf(Changes);

export const ChangedExtent = z.strictObject({ offset: Bytes, length: Bytes });

export const ChangedExtentPage = pageOf(ChangedExtent);

export const ChangedExtentQuery = PageQuery.extend({
  limit: z.coerce.number().int().min(1).max(100_000).default(10_000),
});

export type Reference = z.infer<typeof Reference>;
export type ReferenceCreate = z.infer<typeof ReferenceCreate>;
export type Changes = z.infer<typeof Changes>;
export type ChangesOpen = z.infer<typeof ChangesOpen>;
export type ChangedDisk = z.infer<typeof ChangedDisk>;
export type ChangedExtent = z.infer<typeof ChangedExtent>;
