/** What the store holds of an image. Keys: `image/<id>` → ImageRecord, `image-name/<name>` → id. */
import { Profile } from '@corral/api/schemas/vm-settings';
import { imageErrors } from '@corral/image/errors';
import type { Store, StoreEntry } from '@corral/store/store';
import { z } from 'zod';

export const ImageRecord = z.strictObject({
  id: z.string(),
  name: z.string(),
  createdAt: z.string(),
  profile: Profile,
  source: z.string(),
  sizeBytes: z.int(),
  sha256: z.string().nullable(),
  content: z.discriminatedUnion('kind', [
    /** Files `vmlinuz` and `initrd` of the image's folder. */
    z.strictObject({ kind: z.literal('kernel'), cmdline: z.string() }),
    /** File `disk.<format>`. */
    z.strictObject({ kind: z.literal('disk'), format: z.enum(['qcow2', 'raw']) }),
  ]),
});
export type ImageRecord = z.infer<typeof ImageRecord>;

const imageKey = (id: string): string => `image/${id}`;
const nameKey = (name: string): string => `image-name/${name}`;

export class ImageRecords {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async find(nameOrId: string): Promise<ImageRecord | null> {
    const named = await this.#store.get(nameKey(nameOrId));
    const entry = await this.#store.get(imageKey(named ? named.value : nameOrId.toLowerCase()));
    return entry ? parse(entry) : null;
  }

  /** @throws image.not-found */
  async get(nameOrId: string): Promise<ImageRecord> {
    const record = await this.find(nameOrId);
    if (!record) throw imageErrors['not-found']({ image: nameOrId });
    return record;
  }

  async list(): Promise<ImageRecord[]> {
    return (await this.#store.list('image/')).entries.map(parse);
  }

  /** Repeatable. @throws image.exists */
  async create(record: ImageRecord): Promise<void> {
    const { id, name } = record;
    const result = await this.#store.transact({
      compare: [{ key: nameKey(name), absent: true }],
      then: [
        { put: imageKey(id), value: JSON.stringify(record) },
        { put: nameKey(name), value: id },
      ],
      else: [{ get: nameKey(name) }],
    });
    if (!result.succeeded && result.entries[0]?.value !== id) throw imageErrors.exists({ name });
  }

  /** Repeatable. */
  async delete(id: string): Promise<void> {
    const record = await this.find(id);
    if (!record) return;
    await this.#store.transact({ then: [{ delete: imageKey(id) }, { delete: nameKey(record.name) }] });
  }
}

function parse(entry: StoreEntry): ImageRecord {
  return ImageRecord.parse(JSON.parse(entry.value));
}
