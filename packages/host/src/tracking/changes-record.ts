/**
 * Disks that are held still for a program that reads what changed. Its pin has the same id.
 * Key: `changes/<vm id>/<id>`.
 */
import type { Store } from '@corral/store/store';
import { z } from 'zod';

export const ChangesRecord = z.strictObject({
  id: z.string(),
  vmId: z.string(),
  vmName: z.string(),
  since: z.strictObject({ id: z.string(), name: z.string(), createdAt: z.string() }).nullable(),
  createdAt: z.string(),
  expiresAt: z.string(),
  consistency: z.enum(['application', 'filesystem', 'crash']),
  reason: z.string().nullable(),
  frozenMs: z.number(),
  disks: z.array(
    z.strictObject({
      diskId: z.string(),
      name: z.string(),
      sizeBytes: z.int(),
      tracked: z.boolean(),
      changedBytes: z.int(),
      extents: z.int(),
      /** The file of extents, and the states that it is about. */
      path: z.string(),
      from: z.string(),
      to: z.string(),
    }),
  ),
  /** What serves them; found again, or started again, after a restart. */
  process: z.strictObject({ pid: z.int(), startTime: z.number(), bootId: z.string() }).nullable(),
});
export type ChangesRecord = z.infer<typeof ChangesRecord>;

const prefix = (vmId: string): string => `changes/${vmId}/`;

export class ChangesRecords {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async list(vmId?: string): Promise<ChangesRecord[]> {
    const { entries } = await this.#store.list(vmId === undefined ? 'changes/' : prefix(vmId));
    return entries.map(({ value }) => ChangesRecord.parse(JSON.parse(value)));
  }

  async find(vmId: string, id: string): Promise<ChangesRecord | null> {
    const entry = await this.#store.get(`${prefix(vmId)}${id}`);
    return entry ? ChangesRecord.parse(JSON.parse(entry.value)) : null;
  }

  async put(record: ChangesRecord): Promise<void> {
    const key = `${prefix(record.vmId)}${record.id}`;
    await this.#store.transact({ then: [{ put: key, value: JSON.stringify(record) }] });
  }

  /** Repeatable. */
  async delete(vmId: string, id: string): Promise<void> {
    await this.#store.transact({ then: [{ delete: `${prefix(vmId)}${id}` }] });
  }
}
