/**
 * An edge of the tree of states: two states of a disk are equal outside of the extents that its file lists
 * (docs/formats/changes.md). It is written before a merge or a deletion makes the allocation unreadable that said so.
 * Key: `change-edge/<vm id>/<edge id>`.
 */
import { z } from 'zod';

export const EdgeRecord = z.strictObject({
  id: z.string(),
  vmId: z.string(),
  diskId: z.string(),
  /** The older state: the lower layer's. */
  from: z.string(),
  /** The newer state: the upper layer's. */
  to: z.string(),
  /** The file with the extents, relative to the VM's folder. */
  path: z.string(),
  /** Length of all extents together. */
  changedBytes: z.int(),
});
export type EdgeRecord = z.infer<typeof EdgeRecord>;

export const edgePrefix = (vmId: string): string => `change-edge/${vmId}/`;
export const edgeKey = (vmId: string, id: string): string => `${edgePrefix(vmId)}${id}`;
