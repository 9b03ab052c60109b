/** What the store holds of a backup plan. Keys: `backup-plan/<id>` → PlanRecord, `backup-plan-name/<name>` → id. */
import { BackupSchedule } from '@corral/api/schemas/backup-plan';
import { RetentionRules } from '@corral/api/schemas/repository';
import type { Store } from '@corral/store/store';
import { z } from 'zod';
import { backupErrors } from '../errors.ts';

export const PlanRecord = z.strictObject({
  id: z.string(),
  name: z.string(),
  createdAt: z.string(),
  /** Null: every VM of the host. */
  vmIds: z.array(z.string()).nullable(),
  /** Of the connection. */
  repositoryId: z.string(),
  schedule: BackupSchedule,
  retention: RetentionRules,
  consistency: z.enum(['application', 'filesystem', 'crash']).nullable(),
  bytesPerSecond: z.int().nullable().default(null),
  lastRunAt: z.string().nullable(),
});
export type PlanRecord = z.infer<typeof PlanRecord>;

const keyOf = (id: string): string => `backup-plan/${id}`;
const nameKey = (name: string): string => `backup-plan-name/${name}`;

export class PlanRecords {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async list(): Promise<PlanRecord[]> {
    const { entries } = await this.#store.list('backup-plan/');
    return entries.map(({ value }) => PlanRecord.parse(JSON.parse(value)));
  }

  /** @throws backup.plan-not-found */
  async get(nameOrId: string): Promise<PlanRecord> {
    const named = await this.#store.get(nameKey(nameOrId));
    const entry = await this.#store.get(keyOf(named ? named.value : nameOrId.toLowerCase()));
    if (!entry) throw backupErrors['plan-not-found']({ plan: nameOrId });
    return PlanRecord.parse(JSON.parse(entry.value));
  }

  /** @throws backup.plan-exists */
  async create(record: PlanRecord): Promise<void> {
    const { succeeded } = await this.#store.transact({
      compare: [{ key: nameKey(record.name), absent: true }],
      then: [
        { put: keyOf(record.id), value: JSON.stringify(record) },
        { put: nameKey(record.name), value: record.id },
      ],
    });
    if (!succeeded) throw backupErrors['plan-exists']({ plan: record.name });
  }

  /** Notes a run, unless the plan was deleted or somebody noted one meanwhile. @returns whether it was noted */
  async noteRun(record: PlanRecord, at: Date): Promise<boolean> {
    const entry = await this.#store.get(keyOf(record.id));
    if (!entry || PlanRecord.parse(JSON.parse(entry.value)).lastRunAt !== record.lastRunAt) return false;
    const { succeeded } = await this.#store.transact({
      compare: [{ key: keyOf(record.id), modRevision: entry.modRevision }],
      then: [{ put: keyOf(record.id), value: JSON.stringify({ ...record, lastRunAt: at.toISOString() }) }],
    });
    return succeeded;
  }

  /** @throws backup.plan-not-found */
  async update(id: string, change: (record: PlanRecord) => PlanRecord): Promise<PlanRecord> {
    for (;;) {
      const entry = await this.#store.get(keyOf(id));
      if (!entry) throw backupErrors['plan-not-found']({ plan: id });
      const next = change(PlanRecord.parse(JSON.parse(entry.value)));
      const { succeeded } = await this.#store.transact({
        compare: [{ key: keyOf(id), modRevision: entry.modRevision }],
        then: [{ put: keyOf(id), value: JSON.stringify(next) }],
      });
      if (succeeded) return next;
    }
  }

  async delete({ id, name }: PlanRecord): Promise<void> {
    await this.#store.transact({ then: [{ delete: keyOf(id) }, { delete: nameKey(name) }] });
  }
}
