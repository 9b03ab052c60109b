/**
 * A reference point: the states of a VM's disks at one moment, to ask later what changed since. It needs no content,
 * only that the changes between its states and later ones stay known (docs/design/0006-disk-chains.md, "Changes").
 * Key: `reference/<vm id>/<reference id>`.
 */
import { z } from 'zod';

export const ReferenceRecord = z.strictObject({
  id: z.string(),
  vmId: z.string(),
  name: z.string(),
  createdAt: z.string(),
  /** The backup that reads from here next time; null for a reference point that somebody asked for. */
  backup: z.strictObject({ repositoryId: z.string(), pointId: z.string() }).nullable(),
  disks: z.array(
    z.strictObject({
      diskId: z.string(),
      name: z.string(),
      /** The layer that was on top when it was sealed. */
      stateId: z.string(),
      sizeBytes: z.int(),
    }),
  ),
});
export type ReferenceRecord = z.infer<typeof ReferenceRecord>;

export const referencePrefix = (vmId: string): string => `reference/${vmId}/`;
export const referenceKey = (vmId: string, id: string): string => `${referencePrefix(vmId)}${id}`;
