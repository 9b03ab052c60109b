/** What a process that serves a backup is told: no secret is in it, for its arguments can be read by everybody. */
import { RepositoryPlace } from '@corral/api/schemas/repository';
import { z } from 'zod';

export const PointServerTask = z.strictObject({
  /** Of the data directory, below which the credentials lie. */
  root: z.string(),
  vmId: z.string(),
  /** Who may connect; null: the daemon's own user. */
  uid: z.int().nullable(),
  repository: z.strictObject({ id: z.string(), place: RepositoryPlace }),
  pointId: z.string(),
  /** Sockets relative to the root. */
  disks: z.array(z.strictObject({ name: z.string(), socket: z.string() })),
});
export type PointServerTask = z.infer<typeof PointServerTask>;
