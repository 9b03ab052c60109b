/** Backups of VMs in repositories (docs/design/0010-backups.md). */
import { z } from 'zod';
import { Bytes, Id, Milliseconds, Name, NameOrId, PageQuery, pageOf, Timestamp } from './common.ts';

export const BackupConsistency = z
  .enum(['application', 'filesystem', 'crash'])
  .describe(
    'application: a hook of the guest brought its applications to a halt and said so; filesystem: its file systems held still; crash: as after a power cut',
  );

export const BackupDisk = z.strictObject({
  name: z.string(),
  sizeBytes: Bytes,
  changedBytes: Bytes.describe('what was taken up anew, in whole blocks of the repository'),
  readBytes: Bytes.describe('what was read of the disk for it'),
  auditBytes: Bytes.describe('what was read beside it, to prove what the change tracking calls unchanged'),
  storedBytes: Bytes.describe('what it added to the repository'),
});

export const BackupVerification = z.strictObject({
  at: Timestamp,
  outcome: z.enum(['passed', 'failed']),
  method: z.string(),
  detail: z.string(),
  tookMs: Milliseconds,
});

/** A finding with its picture. */
export const BackupFinding = BackupVerification.extend({
  host: z.string().describe('that made the test'),
  screenshot: z.string().nullable().describe('the display as it was then: PNG in base64'),
});

export const BackupFindings = z.strictObject({
  items: z.array(BackupFinding).describe('the newest first; at most the last five'),
  next: z.null(),
});

export const Backup = z.strictObject({
  id: Id,
  name: z.string(),
  vm: z.strictObject({ id: Id, name: z.string() }),
  repository: z.strictObject({ id: Id, name: Name }).describe('the connection through which it is seen'),
  createdAt: Timestamp.describe('the instant of which its disks are'),
  host: z.string().describe('that made it'),
  consistency: BackupConsistency,
  reason: z.string().nullable().describe('why the consistency is no better'),
  frozenMs: Milliseconds.describe('how long the guest was frozen; 0 if it was not'),
  base: Id.nullable().describe('the backup since which changes were read; null: all was read'),
  plan: z.string().nullable().describe('the plan that made it'),
  lockedUntil: Timestamp.nullable().describe('nobody can delete it before'),
  disks: z.array(BackupDisk),
  documents: z.array(z.string()).describe('files beside the disks'),
  verification: BackupVerification.nullable().describe('the newest; null: never tried'),
  auditMs: Milliseconds.describe('how long the audit beside it took'),
  doubts: z
    .array(z.strictObject({ disk: z.string(), offset: Bytes, length: Bytes, foundAt: Timestamp }))
    .describe('a later audit found that it may lack what had changed here'),
});

export const BackupPage = pageOf(Backup);

export const Bandwidth = z
  .int()
  .min(65_536)
  .describe('at most so many bytes of its disks are read per second');

export const BackupRun = z.strictObject({
  repository: NameOrId,
  name: Name.optional().describe('default: the time'),
  full: z
    .boolean()
    .default(false)
    .describe('read every disk from end to end, whatever is known of its changes'),
  consistency: BackupConsistency.optional().describe(
    'at least this, or the backup fails; crash: the guest is not frozen. Default: as much as can be had',
  ),
  freezeLimitMs: Milliseconds.min(100)
    .max(120_000)
    .default(10_000)
    .describe('after which the guest is thawed, whatever happens'),
  bytesPerSecond: Bandwidth.optional(),
});

export const BackupQuery = z.strictObject({
  repository: NameOrId.optional().describe('only of this one; default: of all that the host is connected to'),
});

export const BackupListQuery = PageQuery.extend({
  ...BackupQuery.shape,
  vm: NameOrId.optional().describe('only of this VM; one that is gone from the host, too'),
});

export type Backup = z.infer<typeof Backup>;
export type BackupDisk = z.infer<typeof BackupDisk>;
export type BackupRun = z.infer<typeof BackupRun>;
export type BackupQuery = z.infer<typeof BackupQuery>;
export type BackupConsistency = z.infer<typeof BackupConsistency>;
export type BackupVerification = z.infer<typeof BackupVerification>;
export type BackupFinding = z.infer<typeof BackupFinding>;
export type BackupFindings = z.infer<typeof BackupFindings>;
