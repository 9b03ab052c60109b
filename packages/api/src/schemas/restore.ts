/** Restores from backups (docs/design/0011-restore.md). */
import { z } from 'zod';
import { Bytes, Id, Milliseconds, Name, NameOrId, Timestamp } from './common.ts';

const Source = z.strictObject({
  repository: NameOrId.optional().describe(
    'that holds the backup; default: whichever of those that the host is connected to',
  ),
});

export const RestoreVm = Source.extend({
  name: Name.optional().describe('of the new VM; default: the name that it had'),
  volume: NameOrId.optional().describe('where its folder and disks lie; default: the data directory'),
  newId: z
    .boolean()
    .default(false)
    .describe('ids and network addresses of its own, also where the old VM is gone'),
  start: z.boolean().default(false),
  instant: z
    .boolean()
    .default(false)
    .describe('start it at once from the backup; its disks are copied while it runs'),
});

export const RestoreInPlace = Source.extend({
  confirm: z.string().max(63).describe('name of the VM whose present is thrown away'),
  start: z.boolean().default(false),
});

export const RestoreDisk = Source.extend({
  disk: z.string().min(1).max(63).describe('its name in the backup'),
  vm: NameOrId.describe('that gets it'),
  name: Name.max(20).optional().describe('of the disk in that VM; default: as in the backup'),
});

export const RestoreFiles = Source.extend({
  directory: z.string().startsWith('/').max(4096).describe('on the host; made if it is not there'),
  format: z.enum(['qcow2', 'raw', 'vhd', 'vhdx']).default('qcow2'),
  disks: z
    .array(z.string().min(1).max(63))
    .max(64)
    .optional()
    .describe('these alone; default: all, with the settings beside them'),
});

export const BackupVerify = Source.extend({
  console: z
    .string()
    .min(1)
    .max(1000)
    .optional()
    .describe('text on the serial console that proves it; default: an answer of the agent'),
  limitMs: Milliseconds.min(1000)
    .max(3_600_000)
    .default(300_000)
    .describe('how long the guest may take to come up'),
});

/** What `restore.verify` gives back. */
export const BackupVerified = z.object({
  pointId: Id,
  outcome: z.enum(['passed', 'failed']),
  method: z.enum(['agent', 'console']),
  detail: z.string(),
  tookMs: Milliseconds,
  screenshot: z.boolean().describe('a picture of the display is kept beside the backup'),
});

export const BackupListFiles = Source.extend({
  disk: z.string().min(1).max(63).describe('its name in the backup'),
  path: z
    .string()
    .startsWith('/')
    .max(4096)
    .refine((path) => !path.includes('\0'), 'A path holds no zero byte')
    .describe('on a disk with partitions it begins with the number of one: /1/etc'),
});

export const BackupGetFile = BackupListFiles.extend({
  target: z.string().startsWith('/').max(4096).describe('file on the host; it must not exist'),
});

export const BackupFile = z.strictObject({
  name: z.string(),
  type: z.enum(['file', 'directory', 'link', 'other']),
  sizeBytes: Bytes,
  modifiedAt: Timestamp.nullable(),
});

/** What `restore.browse` gives back. */
export const BackupBrowsed = z.object({
  entries: z.array(BackupFile).describe('at most the first 1,000'),
  entryCount: z.int(),
  writtenBytes: Bytes,
});

export type BackupListFiles = z.infer<typeof BackupListFiles>;
export type BackupGetFile = z.infer<typeof BackupGetFile>;
export type BackupFile = z.infer<typeof BackupFile>;
export type BackupBrowsed = z.infer<typeof BackupBrowsed>;
export type BackupVerify = z.infer<typeof BackupVerify>;
export type BackupVerified = z.infer<typeof BackupVerified>;
export type RestoreVm = z.infer<typeof RestoreVm>;
export type RestoreInPlace = z.infer<typeof RestoreInPlace>;
export type RestoreDisk = z.infer<typeof RestoreDisk>;
export type RestoreFiles = z.infer<typeof RestoreFiles>;
