/** Opens the repositories that this host is connected to. */
import type { RepositoryPlace, RepositorySecret, StoreCredentials } from '@corral/api/schemas/repository';
import type { KeySecret } from '@corral/backup/crypto/key-slot';
import type { ObjectStore } from '@corral/backup/object-store/object-store';
import { openStore, type StorePlace } from '@corral/backup/object-store/open-store';
import { type OpenedKeys, type OpenOptions, Repository } from '@corral/backup/repository';
import { isCorralError } from '@corral/core/errors';
import type { CredentialFiles } from './credentials.ts';
import { connectionErrors } from './errors.ts';
import type { RepositoryRecord, RepositoryRecords } from './repository-record.ts';

export class RepositoryConnections {
  readonly records: RepositoryRecords;
  readonly credentials: CredentialFiles;
  /** By the connection's id: a passphrase costs 64 MiB and a tenth of a second, once for each life of the daemon. */
  readonly #known = new Map<string, OpenedKeys>();

  constructor(records: RepositoryRecords, credentials: CredentialFiles) {
    this.records = records;
    this.credentials = credentials;
  }

  /**
   * A repository of the caller's own, with an index of its own: whoever opens it closes it (`await using`).
   *
   * @throws repository.not-connected, repository.wrong-key, repository.not-found, repository.another-one, repository.store
   */
  async open(nameOrId: string, signal?: AbortSignal): Promise<Repository> {
    const record = await this.records.get(nameOrId);
    const known = this.#known.get(record.id);
    const repository = await openConnected(record, this.credentials, { known, signal });
    if (repository.id !== record.repositoryId) {
      await repository.close();
      throw connectionErrors['another-one']({ repository: record.name, place: repository.place });
    }
    this.#known.set(record.id, repository.opened);
    await this.#notePolicy(record, repository.context.state.policy);
    return repository;
  }

  /** Another host may have tightened it. That our record is gone meanwhile is told to whoever asks for it next. */
  async #notePolicy(record: RepositoryRecord, policy: RepositoryRecord['policy']): Promise<void> {
    const { appendOnly, lockDays } = record.policy;
    if (appendOnly === policy.appendOnly && lockDays === policy.lockDays) return;
    try {
      await this.records.update(record.id, (latest) => ({ ...latest, policy }));
    } catch (cause) {
      if (!isCorralError(cause, 'repository.not-connected')) throw cause;
    }
  }

  /** The store alone, with the connection's credentials. */
  async openStore(record: ConnectedPlace): Promise<ObjectStore> {
    return await openConnectedStore(record, this.credentials);
  }

  /** Its key changed, or it is forgotten. */
  forget(id: string): void {
    this.#known.delete(id);
  }
}

/** What opening takes beside the credentials' file. */
export type ConnectedPlace = Pick<RepositoryRecord, 'id' | 'place'>;

/** For a process that has no store of records. @throws as `RepositoryConnections.open` */
export async function openConnected(
  record: ConnectedPlace,
  credentials: CredentialFiles,
  options: Pick<OpenOptions, 'known' | 'signal'>,
): Promise<Repository> {
  const { secret } = await credentials.read(record.id);
  const store = await openConnectedStore(record, credentials);
  try {
    return await Repository.open(store, { secret: keySecret(secret), ...options });
  } catch (cause) {
    await store.close();
    throw cause;
  }
}

async function openConnectedStore(
  { id, place }: ConnectedPlace,
  credentials: CredentialFiles,
): Promise<ObjectStore> {
  const { store } = await credentials.read(id);
  const cache = place.kind === 'directory' ? undefined : credentials.cacheOf(id);
  return await openStore(storePlace(place, store), cache);
}

export function keySecret(secret: RepositorySecret): KeySecret;
export function keySecret(secret: RepositorySecret | null): KeySecret | undefined;
export function keySecret(secret: RepositorySecret | null): KeySecret | undefined {
  if (secret === null) return undefined;
  return 'passphrase' in secret ? secret : { keyFile: Buffer.from(secret.keyFile, 'base64') };
}

function storePlace(place: RepositoryPlace, credentials: StoreCredentials | null): StorePlace {
  switch (place.kind) {
    case 'directory':
      return place;
    case 's3': {
      const access = credentials && 'accessKeyId' in credentials ? credentials : {};
      return { kind: 's3', url: place.url, region: place.region, objectLock: place.storeLocks, ...access };
    }
    case 'azure': {
      const accountKey = credentials && 'accountKey' in credentials ? credentials.accountKey : undefined;
      const signature =
        credentials && 'sharedAccessSignature' in credentials ? credentials.sharedAccessSignature : undefined;
      const url = signature === undefined ? place.url : `${place.url}?${signature.replace(/^\?/, '')}`;
      return { kind: 'azure', url, accountKey, immutability: place.storeLocks };
    }
  }
}

/** Places without secrets in them: they are shown to every viewer. @throws repository.bad-place */
export function checkPlace(place: RepositoryPlace): void {
  if (place.kind === 'directory') return;
  const shown = place.url.split(/[?#]/)[0]!.replace(/\/\/[^/]*@/, '//');
  const refuse = (reason: string): never => {
    throw connectionErrors['bad-place']({ place: shown, reason });
  };
  if (!URL.canParse(place.url)) refuse('it is no URL');
  const url = new URL(place.url);
  if (url.search !== '' || url.hash !== '') refuse('leave out what follows "?": signatures are given apart');
  if (url.username !== '' || url.password !== '')
    refuse('a name and password in it would be shown to everybody');
}
