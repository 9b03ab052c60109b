/**
 * A backup repository: the façade over the modules beside it. The format, the order of writes and the reasons are in
 * docs/formats/repository.md.
 */
import { randomBytes } from 'node:crypto';
import { isCorralError } from '@corral/core/errors';
import { newId } from '@corral/core/ids';
import { RepositoryContext } from './context.ts';
import { type Argon2Cost, type KeySecret, unwrapMaster, wrapMaster } from './crypto/key-slot.ts';
import { deriveKeys, type RepositoryKeys, uuidBytes } from './crypto/keys.ts';
import { repositoryErrors } from './errors.ts';
import { formatConfig, parseConfig, type RepositoryConfig } from './format/config.ts';
import { formatTextObject } from './format/text-object.ts';
import { keyName, listKeySlots } from './key-management.ts';
import { listAll, type ObjectStore } from './object-store/object-store.ts';
import { HeldPoint } from './point/held-point.ts';
import { listPoints, type Point, type PointListing, pinsOf, readPoint } from './point/point.ts';
import { PointReader } from './point/point-reader.ts';
import { type NewPoint, PointWriter } from './point/point-writer.ts';
import { type RestoreOptions, type RestoreResult, restoreStream } from './restore/restore.ts';
import type { RestoreSink } from './restore/restore-sink.ts';
import type { Session } from './session/session.ts';

export interface OpenOptions {
  /** Needed exactly if the repository is encrypted. */
  readonly secret?: KeySecret | undefined;
  /** Nothing is ever deleted through this connection. */
  readonly appendOnly?: boolean | undefined;
  /** Worker threads; by default one for each processor, at most four. */
  readonly workers?: number | undefined;
  /** Of an earlier opening of the same repository: spares the work that a passphrase costs. */
  readonly known?: OpenedKeys | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What an opening found out with its secret; for the memory of this process alone. */
export interface OpenedKeys {
  readonly repositoryId: string;
  /** Null: not encrypted. */
  readonly keyId: string | null;
  readonly keys: RepositoryKeys;
}

export interface CreateOptions extends OpenOptions {
  /** Of the new repository. A creation with the same id may be tried again after a crash. */
  readonly id?: string | undefined;
  /** Name of the first key, for people. */
  readonly keyName?: string | undefined;
  readonly argon2?: Argon2Cost | undefined;
}

export class Repository implements AsyncDisposable {
  /** For the modules of this package. */
  readonly context: RepositoryContext;
  readonly opened: OpenedKeys;

  private constructor(context: RepositoryContext, opened: OpenedKeys) {
    this.context = context;
    this.opened = opened;
  }

  /**
   * Makes a repository in an empty store: encrypted if a secret is given.
   *
   * @throws repository.exists, repository.not-empty, repository.weak-key
   */
  static async create(store: ObjectStore, options: CreateOptions = {}): Promise<Repository> {
    const { id = newId(), secret, signal } = options;
    if (await isAlreadyMade(store, options.id, signal)) return await Repository.open(store, options);
    await requireEmptyStore(store, signal);
    const encryption = secret ? 'aes-256-gcm' : 'none';
    const config: RepositoryConfig = { id, createdAt: new Date().toISOString(), encryption };
    const configBytes = formatConfig(config);
    // The key first: a repository that has its config can be opened.
    const slot = secret
      ? await wrapMaster(randomBytes(32), secret, options.keyName ?? 'first', configBytes, options.argon2)
      : null;
    if (slot) await store.put(keyName(slot.id), formatTextObject(slot), { signal });
    if ((await store.put('config', configBytes, { signal })) === 'exists') {
      throw repositoryErrors.exists({ place: store.place });
    }
    // Keys of earlier tries open nothing: the one that put the config removes them.
    for (const { name } of await listAll(store, 'keys/', signal)) {
      if (name !== (slot && keyName(slot.id))) await store.delete(name, signal);
    }
    return await Repository.open(store, options);
  }

  /**
   * Opens a repository with nothing but its place and key.
   *
   * @throws repository.not-found, repository.key-needed, repository.wrong-key, repository.not-encrypted, repository.version
   */
  static async open(store: ObjectStore, options: OpenOptions = {}): Promise<Repository> {
    const configBytes = await readConfig(store, options.signal);
    const config = parseConfig(store.place, configBytes);
    const opened =
      options.known?.repositoryId === config.id
        ? options.known
        : await openKeys(store, config, configBytes, options.secret);
    const { keys } = opened;
    const { appendOnly = false, workers, signal } = options;
    const context = new RepositoryContext({ store, keys, config, appendOnly, workers });
    await context.refresh(signal);
    return new Repository(context, opened);
  }

  get id(): string {
    return this.context.config.id;
  }

  get place(): string {
    return this.context.store.place;
  }

  get isEncrypted(): boolean {
    return this.context.keys.encrypted;
  }

  /** Begins a point; `seal` makes it, anything else leaves none. */
  async beginPoint(point: NewPoint): Promise<PointWriter> {
    return await PointWriter.begin(this.context, point);
  }

  /** All points, oldest first. */
  async points(signal?: AbortSignal): Promise<PointListing> {
    return await listPoints(this.context.store, this.context.keys, signal);
  }

  /** @throws repository.point-not-found */
  async point(id: string, signal?: AbortSignal): Promise<Point> {
    return await readPoint(this.context.store, this.context.keys, id, signal);
  }

  /** @throws repository.point-not-found */
  async openPoint(id: string, signal?: AbortSignal): Promise<PointReader> {
    const point = await this.point(id, signal);
    await this.context.refresh(signal);
    return new PointReader(this.context, point);
  }

  /** Opens a point and keeps what it consists of while it is open: for restores and exports that take long. */
  async holdPoint(id: string, signal?: AbortSignal): Promise<HeldPoint> {
    return await HeldPoint.open(this, id, signal);
  }

  /** Keeps what a point consists of from being pruned while it is read, even if it is deleted. */
  async hold(point: Point, signal?: AbortSignal): Promise<Session> {
    return await this.context.beginSession('read', pinsOf(point), signal);
  }

  /** Restores a disk or document of a point. */
  async restore(
    reader: PointReader,
    stream: string,
    sink: RestoreSink,
    options?: RestoreOptions,
  ): Promise<RestoreResult> {
    return await restoreStream(this.context, reader.stream(stream), sink, options);
  }

  async close(): Promise<void> {
    await this.context.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** @throws repository.exists, repository.not-empty */
export async function requireEmptyStore(store: ObjectStore, signal?: AbortSignal): Promise<void> {
  const objects = await listAll(store, '', signal);
  if (objects.some(({ name }) => name === 'config')) throw repositoryErrors.exists({ place: store.place });
  // A key without a config is what a creation that was cut short left behind.
  const others = objects.filter(({ name }) => !name.startsWith('keys/'));
  if (others.length > 0 || (await store.listForeign(1, signal)).length > 0) {
    throw repositoryErrors['not-empty']({ place: store.place });
  }
}

async function readConfig(store: ObjectStore, signal?: AbortSignal): Promise<Buffer> {
  try {
    return await store.read('config', { offset: 0, length: 65_537 }, signal);
  } catch (cause) {
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'repository.object-missing';
    throw isMissing ? repositoryErrors['not-found']({ place: store.place }, { cause }) : cause;
  }
}

/** Whether an earlier try to create this very repository came through to its config. */
async function isAlreadyMade(
  store: ObjectStore,
  id: string | undefined,
  signal?: AbortSignal,
): Promise<boolean> {
  if (id === undefined) return false;
  const bytes = await readConfig(store, signal).catch((cause: unknown) => {
    if (isCorralError(cause, 'repository.not-found')) return null;
    throw cause;
  });
  return bytes !== null && parseConfig(store.place, bytes).id === id;
}

/**
 * Takes back a creation that shall not stand: deletes the config and the keys of the repository `id` if it holds nothing.
 * What is of another repository stays.
 */
export async function discardNewRepository(
  store: ObjectStore,
  id: string,
  signal?: AbortSignal,
): Promise<void> {
  const objects = await listAll(store, '', signal);
  const isBegun = objects.every(({ name }) => name === 'config' || name.startsWith('keys/'));
  const isForeign =
    objects.some(({ name }) => name === 'config') && !(await isAlreadyMade(store, id, signal));
  if (!isBegun || isForeign) return;
  // The config first: without it there is no repository.
  await store.delete('config', signal);
  for (const { name } of objects) await store.delete(name, signal);
}

async function openKeys(
  store: ObjectStore,
  config: RepositoryConfig,
  configBytes: Buffer,
  secret: KeySecret | undefined,
): Promise<OpenedKeys> {
  const { master, keyId } = await findMaster(store, config, configBytes, secret);
  return { repositoryId: config.id, keyId, keys: deriveKeys(uuidBytes(config.id), master) };
}

async function findMaster(
  store: ObjectStore,
  config: RepositoryConfig,
  configBytes: Buffer,
  secret: KeySecret | undefined,
): Promise<{ master: Buffer | null; keyId: string | null }> {
  const { place } = store;
  if (config.encryption === 'none') {
    // A store that swapped the config for an open one must not get new backups in the clear.
    if (secret) throw repositoryErrors['not-encrypted']({ place });
    return { master: null, keyId: null };
  }
  if (!secret) throw repositoryErrors['key-needed']({ place });
  const { slots } = await listKeySlots(store);
  for (const slot of slots) {
    const master = await unwrapMaster(slot, secret, configBytes);
    if (master) return { master, keyId: slot.id };
  }
  throw repositoryErrors['wrong-key']({ place });
}
