/**
 * What the store holds of a VM: its settings (what should be) and what must survive the daemon to find it again.
 *
 * Keys: `vm/<id>` → VmRecord, `vm-name/<name>` → id. Both change in one transaction, so a name is never taken twice.
 */
import { LayerSeal, VmSettings } from '@corral/api/schemas/vm-settings';
import type { Store, StoreEntry, TransactionStep } from '@corral/store/store';
import { z } from 'zod';
import { vmErrors } from '../errors.ts';

const Process = z.strictObject({
  pid: z.int(),
  startTime: z.number(),
  bootId: z.string(),
  startedAt: z.string(),
  accelerator: z.enum(['kvm', 'tcg']),
  /** The settings with which QEMU was started, kept up to date by what was hot-plugged. */
  applied: VmSettings,
});

/** Memory that lies in a file, and what it takes to bring it back. */
export const SavedMemory = z.strictObject({
  savedAt: z.string(),
  sizeBytes: z.int(),
  crc32: z.int(),
  qemuVersion: z.string(),
  /** Settings of the machine whose memory it is: it can only come back into the same one. */
  applied: VmSettings,
});

/** The top layer of a disk as it was last left. */
const RestingTop = z.strictObject({
  diskId: z.string(),
  layerId: z.string(),
  path: z.string(),
  seal: LayerSeal,
});

export const VmRecord = z.strictObject({
  settings: VmSettings,
  /** User and group id of its QEMU; null where the daemon is not root and QEMU runs as the daemon's user. */
  uid: z.int().nullable(),
  process: Process.nullable(),
  saved: SavedMemory.nullable(),
  /** The checkpoint that the present stands on. */
  checkpointId: z.string().nullable(),
  /** While it has no QEMU: what its top layers must still be like; absent while somebody may write to them. */
  resting: z.array(RestingTop).optional(),
});

export type SavedMemory = z.infer<typeof SavedMemory>;
export type RestingTop = z.infer<typeof RestingTop>;
export type VmRecord = z.infer<typeof VmRecord>;
export type VmProcessRecord = z.infer<typeof Process>;

export const vmKey = (id: string): string => `vm/${id}`;
const nameKey = (name: string): string => `vm-name/${name}`;
const uidKey = (uid: number): string => `vm-uid/${uid}`;

export class VmRecords {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async find(nameOrId: string): Promise<VmRecord | null> {
    const named = await this.#store.get(nameKey(nameOrId));
    const entry = await this.#store.get(vmKey(named ? named.value : nameOrId.toLowerCase()));
    return entry ? parseVmRecord(entry) : null;
  }

  /** @throws vm.not-found */
  async get(nameOrId: string): Promise<VmRecord> {
    const record = await this.find(nameOrId);
    if (!record) throw vmErrors['not-found']({ vm: nameOrId });
    return record;
  }

  async list(): Promise<VmRecord[]> {
    const { entries } = await this.#store.list('vm/');
    return entries.map(parseVmRecord);
  }

  /**
   * Repeatable: the same id again is no error.
   *
   * @param together what is seen with it from the first moment on
   * @throws vm.name-taken
   */
  async create(record: VmRecord, together: readonly TransactionStep[] = []): Promise<void> {
    const { id, name } = record.settings;
    const result = await this.#store.transact({
      compare: [
        { key: vmKey(id), absent: true },
        { key: nameKey(name), absent: true },
      ],
      then: [...puts(record), ...together],
      else: [{ get: nameKey(name) }],
    });
    if (!result.succeeded && result.entries[0]?.value !== id) throw vmErrors['name-taken']({ name });
  }

  /**
   * Changes a record, reading it again when somebody was faster. Renaming moves the name in the same transaction.
   *
   * @param change pure; what it throws is thrown
   * @throws vm.not-found, vm.name-taken
   */
  async update(id: string, change: (record: VmRecord) => VmRecord): Promise<VmRecord> {
    for (;;) {
      const entry = await this.#store.get(vmKey(id));
      if (!entry) throw vmErrors['not-found']({ vm: id });
      const before = parseVmRecord(entry);
      const after = change(before);
      const renamed = before.settings.name !== after.settings.name;
      const result = await this.#store.transact({
        compare: [
          { key: vmKey(id), modRevision: entry.modRevision },
          ...(renamed ? [{ key: nameKey(after.settings.name), absent: true } as const] : []),
        ],
        then: [...(renamed ? [{ delete: nameKey(before.settings.name) }] : []), ...puts(after)],
        else: [{ get: nameKey(after.settings.name) }],
      });
      if (result.succeeded) return after;
      const holder = result.entries[0]?.value;
      if (renamed && holder !== undefined && holder !== id) {
        throw vmErrors['name-taken']({ name: after.settings.name });
      }
    }
  }

  /** Repeatable. */
  async delete(id: string): Promise<void> {
    const entry = await this.#store.get(vmKey(id));
    if (!entry) return;
    const record = parseVmRecord(entry);
    await this.#store.transact({
      then: [
        { delete: vmKey(id) },
        { delete: nameKey(record.settings.name) },
        ...(record.uid === null ? [] : [{ delete: uidKey(record.uid) }]),
      ],
    });
  }

  /**
   * A user id that no other VM has. Repeatable: the VM that has one already gets it again.
   *
   * @param first the lowest of the range that Corral uses
   */
  async reserveUid(id: string, first: number): Promise<number> {
    for (;;) {
      const { entries } = await this.#store.list('vm-uid/');
      const taken = new Map(entries.map((entry) => [Number(entry.key.slice('vm-uid/'.length)), entry.value]));
      for (const [uid, holder] of taken) if (holder === id) return uid;
      let uid = first;
      while (taken.has(uid)) uid += 1;
      const result = await this.#store.transact({
        compare: [{ key: uidKey(uid), absent: true }],
        then: [{ put: uidKey(uid), value: id }],
      });
      if (result.succeeded) return uid;
    }
  }

  /** Repeatable. */
  async releaseUid(uid: number): Promise<void> {
    await this.#store.transact({ then: [{ delete: uidKey(uid) }] });
  }
}

export function puts(record: VmRecord): TransactionStep[] {
  const { id, name } = record.settings;
  return [
    { put: vmKey(id), value: JSON.stringify(record) },
    { put: nameKey(name), value: id },
  ];
}

export function parseVmRecord(entry: StoreEntry): VmRecord {
  return VmRecord.parse(JSON.parse(entry.value));
}
