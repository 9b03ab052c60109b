/**
 * What daemon and guard say to each other: one JSON object per line from the guard, the line `thaw` to it. The end of the
 * guard's standard input, for whatever reason, means the same as `thaw`.
 *
 *   guard: frozen ─▶ daemon forks ─▶ daemon: thaw ─▶ guard: thawing ─▶ thawed, ends
 *          failed (and thawing, thawed, should anything be frozen), ends
 */
import { z } from 'zod';

/** The guard's only argument. */
export const GuardTask = z.strictObject({
  /** The agent's socket, relative to the guard's working directory: a longer path would not fit into an address. */
  socket: z.string(),
  guest: z.string(),
  /** From the moment at which the freeze is asked for. */
  limitMs: z.number().positive(),
  /** A file that is there while the guest may be frozen: whoever finds it thaws. */
  mark: z.string(),
});
export type GuardTask = z.infer<typeof GuardTask>;

/** `told`: the daemon said so, and what it did before lies between freeze and thaw. */
const because = z.enum(['told', 'limit', 'daemon-gone', 'failed']);

export const GuardMessage = z.discriminatedUnion('is', [
  z.strictObject({ is: z.literal('frozen'), fileSystems: z.int() }),
  z.strictObject({ is: z.literal('failed'), reason: z.string() }),
  /** At once, however long the guest takes: a guard that does not say so is stopped, or stuck. */
  z.strictObject({ is: z.literal('thawing'), because }),
  z.strictObject({
    is: z.literal('thawed'),
    /** From the moment at which the freeze was asked for until the thaw was answered. */
    frozenMs: z.number(),
    because,
  }),
]);
export type GuardMessage = z.infer<typeof GuardMessage>;
