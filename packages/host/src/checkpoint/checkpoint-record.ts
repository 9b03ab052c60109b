/** What the store holds of a checkpoint (docs/formats/checkpoint.md). Key: `checkpoint/<vm id>/<checkpoint id>`. */
import { CheckpointState, CheckpointType, Consistency } from '@corral/api/schemas/checkpoint';
import { LayerSeal, VmSettings } from '@corral/api/schemas/vm-settings';
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
  asked: CheckpointType,
  /** What was reached: a standard one of a VM that is off has no memory to keep. */
  type: CheckpointType,
  consistency: Consistency,
  /** Why nothing better was reached than `consistency`; null if it is what was asked for. */
  reason: z.string().nullable(),
  /** The state into which applying it brings the VM. */
  state: CheckpointState,
  /** How long the guest was stopped, in ms; null if it did not run. */
  pauseMs: z.number().nullable(),
  /** The VM's settings of that moment. The top layer of each disk is sealed; `seals` has its seal. */
  settings: VmSettings,
  /** By disk id, of the top layer: null while a merge writes to it. */
  seals: z.record(z.string(), LayerSeal.nullable()),
  /** The memory, file `checkpoints/<id>/memory` in the VM's folder. */
  memory: SavedMemory.nullable(),
  /** What was warned of already: each once. */
  warned: z.strictObject({ old: z.boolean(), large: z.boolean() }),
});
export type CheckpointRecord = z.infer<typeof CheckpointRecord>;

export const checkpointPrefix = (vmId: string): string => `checkpoint/${vmId}/`;
export const checkpointKey = (vmId: string, id: string): string => `${checkpointPrefix(vmId)}${id}`;
