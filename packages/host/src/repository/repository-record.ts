/**
 * What the store holds of a connection to a repository. No secret is in it: those are in a file (credentials.ts).
 * Keys: `repository/<id>` → RepositoryRecord, `repository-name/<name>` → id.
 */
import { RepositoryPlace, RetentionRules } from '@corral/api/schemas/repository';
import type { Store, StoreEntry } from '@corral/store/store';
import { z } from 'zod';
import { connectionErrors } from './errors.ts';

export const RepositoryRecord = z.strictObject({
  id: z.string(),
  name: z.string(),
  createdAt: z.string(),
  repositoryId: z.string(),
  place: RepositoryPlace,
  encrypted: z.boolean(),
  retention: RetentionRules,
  /** As it was last seen; the repository's own state decides. */
  policy: z.strictObject({ appendOnly: z.boolean(), lockDays: z.int() }),
});
export type RepositoryRecord = z.infer<typeof RepositoryRecord>;

const recordKey = (id: string): string => `repository/${id}`;
const nameKey = (name: string): string => `repository-name/${name}`;
const mostAttempts = 10;

export class RepositoryRecords {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async find(nameOrId: string): Promise<RepositoryRecord | null> {
    const named = await this.#store.get(nameKey(nameOrId));
    const entry = await this.#store.get(recordKey(named ? named.value : nameOrId.toLowerCase()));
    return entry ? parse(entry) : null;
  }

  /** @throws repository.not-connected */
  async get(nameOrId: string): Promise<RepositoryRecord> {
    const record = await this.find(nameOrId);
    if (!record) throw connectionErrors['not-connected']({ repository: nameOrId });
    return record;
  }

  async list(): Promise<RepositoryRecord[]> {
    return (await this.#store.list('repository/')).entries.map(parse);
  }

  /** Repeatable. @throws repository.name-taken, repository.connected-twice */
  async create(record: RepositoryRecord, place: string): Promise<void> {
    const { id, name, repositoryId } = record;
    const twice = (await this.list()).find((other) => other.repositoryId === repositoryId && other.id !== id);
    if (twice) throw connectionErrors['connected-twice']({ place, name: twice.name });
    const result = await this.#store.transact({
      compare: [{ key: nameKey(name), absent: true }],
      then: [
        { put: recordKey(id), value: JSON.stringify(record) },
        { put: nameKey(name), value: id },
      ],
      else: [{ get: nameKey(name) }],
    });
    if (!result.succeeded && result.entries[0]?.value !== id) throw connectionErrors['name-taken']({ name });
  }

  /** Repeatable. @throws repository.not-connected */
  async update(id: string, change: (record: RepositoryRecord) => RepositoryRecord): Promise<void> {
    const key = recordKey(id);
    for (let attempt = 1; ; attempt += 1) {
      const entry = await this.#store.get(key);
      if (!entry) throw connectionErrors['not-connected']({ repository: id });
      const { succeeded } = await this.#store.transact({
        compare: [{ key, modRevision: entry.modRevision }],
        then: [{ put: key, value: JSON.stringify(change(parse(entry))) }],
      });
      if (succeeded) return;
      if (attempt === mostAttempts) throw new Error(`${key} changed ${attempt} times while it was updated`);
    }
  }

  /** Repeatable. */
  async delete(id: string): Promise<void> {
    const record = await this.find(id);
    if (!record) return;
    await this.#store.transact({ then: [{ delete: recordKey(id) }, { delete: nameKey(record.name) }] });
  }
}

function parse(entry: StoreEntry): RepositoryRecord {
  return RepositoryRecord.parse(JSON.parse(entry.value));
}
