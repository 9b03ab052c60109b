/** What the store holds of a checkpoint. Key: `checkpoint/<vm id>/<checkpoint id>`. */
import { VmSettings } from '@corral/api/schemas/vm-settings';
import { z } from 'zod';
import { SavedMemory } from '../vm/vm-record.ts';

export const CheckpointRecord = z.strictObject({
  id: z.string(),
  vmId: z.string(),
  name: z.string(),
  createdAt: z.string(),
  /** The checkpoint that the VM stood on when this one was taken. */
  parentId: z.string().nullable(),
  /** What was asked for. */
  asked: z.enum(['standard', 'production']),
  /** What was reached: a standard one of a VM that is off has no memory to keep. */
  type: z.enum(['standard', 'production']),
  consistency: z.enum(['memory', 'application', 'filesystem', 'crash', 'off']),
  /** The state into which applying it brings the VM. */
  state: z.enum(['running', 'paused', 'saved', 'off']),
  /** The VM's settings of that moment. The top layer of each disk is sealed; `seals` has its seal. */
  settings: VmSettings,
  /** By disk id, of the top layer: null while a merge writes to it. */
  seals: z.record(z.string(), z.strictObject({ lengthBytes: z.int(), modifiedNs: z.string() }).nullable()),
  /** The memory, file `checkpoints/<id>/memory` in the VM's folder. */
  memory: SavedMemory.nullable(),
});
export type CheckpointRecord = z.infer<typeof CheckpointRecord>;

export const checkpointPrefix = (vmId: string): string => `checkpoint/${vmId}/`;
export const checkpointKey = (vmId: string, id: string): string => `${checkpointPrefix(vmId)}${id}`;
