/**
 * What a repository needs of the place it lies in. Objects are put only where none is and never changed
 * (docs/formats/repository.md, "Names"), so four verbs are enough; each store passes the suite in
 * `conformance.ts`.
 */
import { repositoryErrors } from '../errors.ts';

export interface ObjectEntry {
  readonly name: string;
  readonly sizeBytes: number;
  /** Milliseconds since 1970 by the store's clock. */
  readonly modifiedAt: number;
}

export interface ReadRange {
  readonly offset: number;
  readonly length: number;
}

export interface PutOptions {
  readonly signal?: AbortSignal | undefined;
  /** The store itself shall refuse to delete the object before this time, where it can. */
  readonly retainUntil?: Date | undefined;
}

export interface ObjectStore {
  /** For people: where it is, without secrets. */
  readonly place: string;
  /** Whether the store itself can refuse deletion until a date. */
  readonly canRetain: boolean;

  /**
   * Puts an object if none of that name is there; when this resolves it is on stable storage. An outcome that the store
   * left open is settled by reading.
   *
   * @throws repository.store
   */
  put(name: string, content: Uint8Array, options?: PutOptions): Promise<'stored' | 'exists'>;

  /**
   * The whole object, or a range of it; a range that reaches past the end gives what is there.
   *
   * @throws repository.object-missing, repository.store
   */
  read(name: string, range?: ReadRange, signal?: AbortSignal): Promise<Buffer>;

  /**
   * Reads a range into memory that is there, and says how much it held; where that is cheaper than `read`.
   *
   * @throws repository.object-missing, repository.store
   */
  readInto?(name: string, offset: number, target: Buffer, signal?: AbortSignal): Promise<number>;

  /** Every object whose name begins with `prefix`, which ends in "/" or is empty. Foreign names are left out. */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectEntry>;

  /** Names that are no repository's, up to `limit`, for people to look at. */
  listForeign(limit: number, signal?: AbortSignal): Promise<string[]>;

  /** Deletes an object; that it is not there is fine. */
  delete(name: string, signal?: AbortSignal): Promise<void>;

  /** Removes what dead writers and other hosts left beside the objects; called by prune. */
  tidy?(signal?: AbortSignal): Promise<void>;

  /** The store's own clock, milliseconds since 1970. */
  now(signal?: AbortSignal): Promise<number>;

  /** The store shall refuse to delete the object until then; a longer time stays. Only where `canRetain`. */
  retain(name: string, until: Date, signal?: AbortSignal): Promise<void>;

  close(): Promise<void>;
}

const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';

/** docs/formats/repository.md, "Names". Anchored: a name is of the repository as a whole or not at all. */
const objectName = new RegExp(
  `^(?:config|keys/${uuid}|packs/([0-9a-f]{2})/\\1[0-9a-f]{62}|index/[0-9a-f]{64}|points/${uuid}|` +
    `states/\\d{10}|sessions/${uuid}/\\d{8}|(?:locks|verifications)/${uuid}/\\d{15})$`,
);

export function isObjectName(name: string): boolean {
  return objectName.test(name);
}

/** @throws repository.foreign-name, a defect of the program or a hostile listing */
export function checkObjectName(name: string): string {
  if (!isObjectName(name)) throw repositoryErrors['foreign-name']({ name: name.slice(0, 200) });
  return name;
}

/** Fills `target` with a range of an object, by the cheaper way; says how much there was. */
export async function readInto(
  store: ObjectStore,
  name: string,
  offset: number,
  target: Buffer,
  signal?: AbortSignal,
): Promise<number> {
  if (store.readInto) return await store.readInto(name, offset, target, signal);
  return (await store.read(name, { offset, length: target.length }, signal)).copy(target);
}

export async function listAll(
  store: ObjectStore,
  prefix: string,
  signal?: AbortSignal,
): Promise<ObjectEntry[]> {
  const entries: ObjectEntry[] = [];
  for await (const entry of store.list(prefix, signal)) entries.push(entry);
  return entries;
}

/** The first names of a listing that are those of no object. */
export async function foreignNames(
  listing: AsyncIterable<Pick<ObjectEntry, 'name'>>,
  limit: number,
): Promise<string[]> {
  const foreign: string[] = [];
  for await (const { name } of listing) {
    if (foreign.length >= limit) break;
    if (!isObjectName(name)) foreign.push(name);
  }
  return foreign;
}
