/** Checkpoints of a VM, as the API shows and takes them (docs/design/0008-checkpoints.md). */
import { z } from 'zod';
import { Bytes, Id, Milliseconds, Name, pageOf, Timestamp } from './common.ts';

export const CheckpointType = z
  .enum(['standard', 'production'])
  .describe('standard: with memory; production: the guest brings its file systems to rest, no memory');

export const Consistency = z
  .enum(['memory', 'application', 'filesystem', 'crash', 'off'])
  .describe(
    'memory: disks and memory of one instant; application, filesystem: the guest had brought itself to rest; crash: as after a power cut; off: the VM was off',
  );

export const CheckpointState = z
  .enum(['running', 'paused', 'saved', 'off'])
  .describe('the state into which applying it brings the VM');

export const Checkpoint = z.strictObject({
  id: Id,
  name: Name,
  vmId: Id,
  parentId: Id.nullable().describe('the checkpoint that the VM stood on when this one was taken'),
  type: CheckpointType.describe('the type that was reached'),
  askedType: CheckpointType.describe('the type that was asked for'),
  consistency: Consistency,
  reason: z.string().nullable().describe('why nothing better was reached; null if it is what was asked for'),
  state: CheckpointState,
  createdAt: Timestamp,
  pauseMs: z.number().min(0).nullable().describe('how long the guest was stopped; null if it did not run'),
  sizeBytes: Bytes.describe('what it takes on its volumes: memory, and the layers that hold its disks'),
  changedBytes: Bytes.describe('what the layers directly on it take: written since'),
  current: z.boolean().describe('whether the present stands on it'),
});

/** Where the present stands. */
export const CheckpointPresent = z.strictObject({
  parentId: Id.nullable().describe('the checkpoint that the present stands on'),
  sizeBytes: Bytes.describe('what the layers that are written to take'),
});

export const CheckpointPage = pageOf(Checkpoint).extend({ present: CheckpointPresent });

export const CheckpointCreate = z.strictObject({
  name: Name.optional().describe('default: the time'),
  type: CheckpointType.default('standard'),
  allowCrash: z
    .boolean()
    .default(false)
    .describe('of production: take it also if the guest cannot be brought to rest'),
  freezeLimitMs: Milliseconds.min(100)
    .max(120_000)
    .default(10_000)
    .describe('of production: how long the guest may take to come to rest'),
});

export const CheckpointApply = z
  .strictObject({
    present: z
      .enum(['checkpoint', 'discard'])
      .optional()
      .describe('what becomes of the present; without it nothing is applied'),
    checkpointName: Name.optional().describe('of the checkpoint of the present; default: the time'),
  })
  .describe('the present is never lost by accident');

export const CheckpointPatch = z.strictObject({ name: Name });

export const CheckpointExport = z.strictObject({
  directory: z.string().startsWith('/').max(4096).describe('of the host; must not exist, or be empty'),
  flatten: z.boolean().default(false).describe('one file per disk instead of its chain'),
  format: z
    .enum(['qcow2', 'raw', 'vhd', 'vhdx'])
    .optional()
    .describe('of the disks; another one than that of the VM makes them flat'),
});

export type Checkpoint = z.infer<typeof Checkpoint>;
export type CheckpointPage = z.infer<typeof CheckpointPage>;
export type CheckpointPresent = z.infer<typeof CheckpointPresent>;
export type CheckpointType = z.infer<typeof CheckpointType>;
export type Consistency = z.infer<typeof Consistency>;
export type CheckpointCreate = z.infer<typeof CheckpointCreate>;
export type CheckpointApply = z.infer<typeof CheckpointApply>;
export type CheckpointExport = z.infer<typeof CheckpointExport>;
