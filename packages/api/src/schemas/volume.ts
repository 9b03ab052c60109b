/** Volumes: where disks lie (docs/formats/volume.md). */
import { z } from 'zod';
import { Bytes, Id, Name, NameOrId, Timestamp } from './common.ts';

export const VolumeKind = z.enum(['directory']).describe('a folder on any mounted file system');

/** Found out by trying, when the volume was added. */
export const VolumeCapabilities = z.strictObject({
  reflink: z.boolean().describe('a copy shares its blocks'),
  copyFileRange: z.boolean().describe('the file system copies by itself'),
  sparseFiles: z.boolean().describe('what was never written takes no space'),
  holePunching: z.boolean().describe('space that a guest discards comes back'),
  directIo: z.boolean().describe('the page cache can be gone around'),
  folderSync: z.boolean().describe('a new name survives a crash once its folder is synced'),
});

export const VolumeOwner = z.strictObject({
  kind: z.enum(['host', 'cluster']),
  id: z.string(),
  name: z.string(),
  since: Timestamp,
});

export const VolumeState = z
  .enum(['held', 'released', 'foreign', 'missing'])
  .describe('held by this host; without an owner; taken by another; not there, or not readable');

export const Volume = z.strictObject({
  id: Id,
  name: Name,
  createdAt: Timestamp,
  kind: VolumeKind,
  path: z.string(),
  local: z.boolean().describe('the data directory of the host; cannot be removed'),
  state: VolumeState,
  stateReason: z.string().nullable().describe('when it is not held: what is wrong, and the fix'),
  owner: VolumeOwner.nullable(),
  generation: z.int().min(1).nullable().describe('of the owner; grows with each change'),
  fileSystem: z.string(),
  capabilities: VolumeCapabilities,
  totalBytes: Bytes.nullable().describe('null when it is missing, like the figures below'),
  freeBytes: Bytes.nullable(),
  allocatedBytes: Bytes.nullable().describe('that files of VMs and images occupy'),
  provisionedBytes: Bytes.describe('virtual sizes of the disks on it'),
  overcommitRatio: z
    .number()
    .min(0)
    .nullable()
    .describe('provisioned by what disks have and could get; above 1 not all can fill up'),
  reserveBytes: Bytes.describe('work that would go below it is refused'),
  belowReserve: z.boolean(),
  usedBy: z.array(Id).describe('VMs with files on it'),
});

const RootPath = z.string().startsWith('/').max(4096).describe('absolute path of a folder of the host');

export const VolumeAdd = z.strictObject({
  name: Name,
  path: RootPath,
  reserveBytes: Bytes.optional().describe('default: 5 % of the volume, at most 4 GiB'),
});

export const VolumeSeize = z.strictObject({
  path: RootPath.optional().describe('needed where this host does not know the volume yet'),
  reserveBytes: Bytes.optional(),
});

export const VolumePatch = z.strictObject({
  reserveBytes: Bytes.nullable().describe('null: the default'),
});

export const VolumeCheckQuery = z.strictObject({
  vm: NameOrId.optional().describe('only this VM'),
});

export const VolumeProblem = z.enum(['missing', 'damaged', 'altered', 'orphan']);

export const VolumeFinding = z.strictObject({
  problem: VolumeProblem.describe(
    'missing: a file that the VM needs; damaged: it is not what its format says; altered: changed from outside; orphan: belongs to nothing',
  ),
  severity: z.enum(['error', 'note']),
  path: z.string(),
  vm: z.string().nullable().describe('name of the VM, if it belongs to one'),
  disk: z.string().nullable(),
  detail: z.string(),
});

export const VolumeCheck = z.strictObject({
  volume: Name,
  checkedAt: Timestamp,
  ok: z.boolean().describe('no finding is an error'),
  vms: z.int().min(0).describe('that were looked at'),
  files: z.int().min(0).describe('of disks that were looked at'),
  findings: z.array(VolumeFinding),
});

export type Volume = z.infer<typeof Volume>;
export type VolumeAdd = z.infer<typeof VolumeAdd>;
export type VolumeSeize = z.infer<typeof VolumeSeize>;
export type VolumePatch = z.infer<typeof VolumePatch>;
export type VolumeCheck = z.infer<typeof VolumeCheck>;
export type VolumeCheckQuery = z.infer<typeof VolumeCheckQuery>;
export type VolumeFinding = z.infer<typeof VolumeFinding>;
export type VolumeCapabilities = z.infer<typeof VolumeCapabilities>;
export type VolumeOwner = z.infer<typeof VolumeOwner>;
export type VolumeState = z.infer<typeof VolumeState>;
