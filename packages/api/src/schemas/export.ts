/** A VM in a folder: all of it, or what changed (docs/formats/checkpoint.md, "An export"). */
import { z } from 'zod';
import { BackupConsistency } from './backup.ts';
import { Milliseconds, Name, NameOrId } from './common.ts';

export const VmExport = z.strictObject({
  directory: z.string().startsWith('/').max(4096).describe('of the host; must not exist, or be empty'),
  since: NameOrId.optional().describe('reference point: only what changed since; default: all'),
  reference: Name.optional().describe('create a reference point of this name at the same instant'),
  consistency: BackupConsistency.optional().describe(
    'at least this, or it fails; default: as much as can be had',
  ),
  freezeLimitMs: Milliseconds.min(100).max(120_000).default(10_000),
});

export type VmExport = z.infer<typeof VmExport>;
