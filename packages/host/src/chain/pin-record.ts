/** A pin keeps the files of a chain as they are while somebody reads them. Key: `pin/<vm id>/<pin id>`. */
import { DiskLayer } from '@corral/api/schemas/vm-settings';
import { z } from 'zod';

export const PinRecord = z.strictObject({
  id: z.string(),
  vmId: z.string(),
  /** For people: `backup 2026-11-21T10:00 to "offsite"`. */
  reason: z.string(),
  createdAt: z.string(),
  /** The operation that lets go of it; null for one that ends by itself. */
  operationId: z.string().nullable(),
  /** When it ends by itself, as a timestamp; null if its operation lets go of it. */
  expiresAt: z.string().nullable(),
  /** Sealed chains, top first. */
  disks: z.array(
    z.strictObject({ diskId: z.string(), name: z.string(), sizeBytes: z.int(), chain: z.array(DiskLayer) }),
  ),
  /** Files that somebody wanted deleted while this pin held them: they go with it, if nothing else holds them then. */
  doomed: z.array(z.string()).default([]),
});
export type PinRecord = z.infer<typeof PinRecord>;

export const pinPrefix = (vmId: string): string => `pin/${vmId}/`;
export const pinKey = (vmId: string, id: string): string => `${pinPrefix(vmId)}${id}`;
