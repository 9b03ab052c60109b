/**
 * How far the audit of each disk has come, per repository, and which backups it casts doubt on.
 * Keys: `backup-audit/<vm id>/<repository id>/<disk id>` → AuditRecord,
 * `backup-doubt/<repository id>/<vm id>/<doubt id>` → DoubtRecord.
 */
import type { Store } from '@corral/store/store';
import { z } from 'zod';

const Suspicion = z.strictObject({ foundAt: z.string(), offset: z.int(), length: z.int() });

export const AuditRecord = z.strictObject({
  /** Where the next audit begins. */
  position: z.int(),
  auditedAt: z.string(),
  /** When the round under way began. */
  roundStartedAt: z.string(),
  /** Since when every byte was proved once; null before the first round has ended. */
  provedAt: z.string().nullable(),
  /** A difference was found, and the disk was not read from end to end since: what is known of its changes is not used. */
  suspect: Suspicion.nullable().default(null),
});
export type AuditRecord = z.infer<typeof AuditRecord>;

/** Backups that may lack a change of this disk: those made behind `after`, up to `until`. */
export const DoubtRecord = z.strictObject({
  id: z.string(),
  vmId: z.string(),
  disk: z.string(),
  offset: z.int(),
  length: z.int(),
  foundAt: z.string(),
  /** When the disk was last known to be right; null: never. */
  after: z.string().nullable(),
  until: z.string(),
});
export type DoubtRecord = z.infer<typeof DoubtRecord>;

export const auditPrefix = (vmId: string): string => `backup-audit/${vmId}/`;
const auditKey = (vmId: string, repositoryId: string, diskId: string): string =>
  `${auditPrefix(vmId)}${repositoryId}/${diskId}`;
const doubtPrefix = (repositoryId: string): string => `backup-doubt/${repositoryId}/`;

export class AuditRecords {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async read(vmId: string, repositoryId: string, diskId: string): Promise<AuditRecord | null> {
    const entry = await this.#store.get(auditKey(vmId, repositoryId, diskId));
    return entry ? AuditRecord.parse(JSON.parse(entry.value)) : null;
  }

  /** Lost updates cost a piece of the round, which is looked at again. */
  async write(vmId: string, repositoryId: string, diskId: string, record: AuditRecord): Promise<void> {
    await this.#store.transact({
      then: [{ put: auditKey(vmId, repositoryId, diskId), value: JSON.stringify(record) }],
    });
  }

  /** Both at once: the disk is read in full until that was done, and the backups of it are doubtful from now on. */
  async writeDoubt(
    repositoryId: string,
    diskId: string,
    record: AuditRecord,
    doubt: DoubtRecord,
  ): Promise<void> {
    await this.#store.transact({
      then: [
        { put: auditKey(doubt.vmId, repositoryId, diskId), value: JSON.stringify(record) },
        {
          put: `${doubtPrefix(repositoryId)}${doubt.vmId}/${doubt.id}`,
          value: JSON.stringify(doubt),
        },
      ],
    });
  }

  async doubts(repositoryId: string): Promise<DoubtRecord[]> {
    const { entries } = await this.#store.list(doubtPrefix(repositoryId));
    return entries.map(({ value }) => DoubtRecord.parse(JSON.parse(value)));
  }
}

/** Whether the backup may lack what the doubt is about. Pure. */
export function casts(
  doubt: DoubtRecord,
  point: {
    readonly vm: { readonly id: string };
    readonly createdAt: string;
    readonly disks: readonly { readonly name: string }[];
  },
): boolean {
  return (
    doubt.vmId === point.vm.id &&
    point.disks.some(({ name }) => name === doubt.disk) &&
    (doubt.after === null || point.createdAt > doubt.after) &&
    point.createdAt <= doubt.until
  );
}
