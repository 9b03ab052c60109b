/** What the store holds of a volume. Keys: `volume/<id>` → VolumeRecord, `volume-name/<name>` → id. */
import { VolumeCapabilities, VolumeKind } from '@corral/api/schemas/volume';
import type { Store, StoreEntry } from '@corral/store/store';
import { z } from 'zod';
import { volumeErrors } from './errors.ts';

export const localName = 'local';

export const VolumeRecord = z.strictObject({
  id: z.string(),
  name: z.string(),
  createdAt: z.string(),
  kind: VolumeKind,
  /** Absolute, without symbolic links. */
  root: z.string(),
  local: z.boolean(),
  fileSystem: z.string(),
  capabilities: VolumeCapabilities,
  /** Null: the default for its size. */
  reserveBytes: z.int().nullable(),
  /** What was told by an event already, so that each is told once. */
  told: z.strictObject({ lost: z.boolean(), belowReserve: z.boolean() }),
});
export type VolumeRecord = z.infer<typeof VolumeRecord>;

const volumeKey = (id: string): string => `volume/${id}`;
const nameKey = (name: string): string => `volume-name/${name}`;

export class VolumeRecords {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async find(nameOrId: string): Promise<VolumeRecord | null> {
    const named = await this.#store.get(nameKey(nameOrId));
    const entry = await this.#store.get(volumeKey(named ? named.value : nameOrId.toLowerCase()));
    return entry ? parse(entry) : null;
  }

  /** @throws volume.not-found */
  async get(nameOrId: string): Promise<VolumeRecord> {
    const record = await this.find(nameOrId);
    if (!record) throw volumeErrors['not-found']({ volume: nameOrId });
    return record;
  }

  async list(): Promise<VolumeRecord[]> {
    return (await this.#store.list('volume/')).entries.map(parse);
  }

  /** Makes or replaces it. Repeatable. @throws volume.exists when another volume has the name */
  async put(record: VolumeRecord): Promise<void> {
    const { id, name } = record;
    const steps = [
      { put: volumeKey(id), value: JSON.stringify(record) },
      { put: nameKey(name), value: id },
    ];
    const made = await this.#store.transact({
      compare: [{ key: nameKey(name), absent: true }],
      then: steps,
      else: [{ get: nameKey(name) }],
    });
    if (made.succeeded) return;
    if (made.entries[0]?.value !== id) throw volumeErrors.exists({ name, path: (await this.get(name)).root });
    await this.#store.transact({ then: steps });
  }

  /** @param change pure. @returns null when it was removed meanwhile */
  async update(id: string, change: (record: VolumeRecord) => VolumeRecord): Promise<VolumeRecord | null> {
    for (;;) {
      const entry = await this.#store.get(volumeKey(id));
      if (!entry) return null;
      const after = change(parse(entry));
      const { succeeded } = await this.#store.transact({
        compare: [{ key: volumeKey(id), modRevision: entry.modRevision }],
        then: [{ put: volumeKey(id), value: JSON.stringify(after) }],
      });
      if (succeeded) return after;
    }
  }

  /** Repeatable. */
  async delete(id: string): Promise<void> {
    const record = await this.find(id);
    if (!record) return;
    await this.#store.transact({ then: [{ delete: volumeKey(id) }, { delete: nameKey(record.name) }] });
  }
}

function parse(entry: StoreEntry): VolumeRecord {
  return VolumeRecord.parse(JSON.parse(entry.value));
}
