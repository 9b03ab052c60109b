/** Repositories as the API sees them. */
import type {
  Repository,
  RepositoryConnect,
  RepositoryCopy,
  RepositoryCreate,
  RepositoryKey,
  RepositoryKeyAdd,
  RepositoryPatch,
  RepositoryPrunePreview,
  RepositorySecret,
  RepositoryStatistics,
} from '@corral/api/schemas/repository';
import { checkSecret } from '@corral/backup/crypto/key-slot';
import { listKeySlots } from '@corral/backup/key-management';
import { previewPrune } from '@corral/backup/prune/prune-preview';
import { statisticsOf } from '@corral/backup/statistics';
import { newId } from '@corral/core/ids';
import type { OperationSnapshot } from '@corral/operation/operation';
import type { Requester, StartOperation } from '../operations.ts';
import { checkPlace, keySecret } from './connections.ts';
import { previewExpired } from './delete-expired.ts';
import { connectionErrors } from './errors.ts';
import type { Named, RepositoryHost } from './repository-host.ts';
import type { RepositoryOperations } from './repository-operations.ts';
import type { RepositoryRecord } from './repository-record.ts';

/** Longer lists are of no use to people, and the count is told. */
const mostListed = 1_000;

export class RepositoryService {
  readonly #host: RepositoryHost;
  readonly #operations: RepositoryOperations;
  readonly #start: StartOperation;

  constructor(host: RepositoryHost, operations: RepositoryOperations, start: StartOperation) {
    this.#host = host;
    this.#operations = operations;
    this.#start = start;
  }

  async list(): Promise<Repository[]> {
    return (await this.#host.connections.records.list()).map(view);
  }

  async show(repository: string): Promise<Repository> {
    return view(await this.#host.connections.records.get(repository));
  }

  async statistics(repository: string, signal: AbortSignal): Promise<RepositoryStatistics> {
    await using open = await this.#host.connections.open(repository, signal);
    return await statisticsOf(open.context, signal);
  }

  /** @throws repository.append-only: there is nothing to be deleted */
  async prunePreview(
    repository: string,
    applyRetention: boolean,
    signal: AbortSignal,
  ): Promise<RepositoryPrunePreview> {
    const { records } = this.#host.connections;
    await using open = await this.#host.connections.open(repository, signal);
    const { retention } = await records.get(repository);
    const rules = applyRetention ? retention : {};
    const { deleted, locked } = await previewExpired(open, rules, { signal });
    const without = new Set(deleted.map(({ id }) => id));
    const { freedBytes, packs } = await previewPrune(open.context, { without, signal });
    return {
      backups: deleted.slice(0, mostListed).map(({ createdAt, id, name, vm }) => ({
        point: id,
        vm: vm.name,
        name,
        createdAt,
      })),
      deletedPoints: deleted.length,
      lockedPoints: locked.length,
      deletedPacks: packs,
      freedBytes,
    };
  }

  async create(request: RepositoryCreate, caller: Requester): Promise<OperationSnapshot> {
    const { name, place, retention, keyName } = request;
    return await this.#withCredentials(request, (id) =>
      this.#begin(this.#operations.create, { id, name, place, retention, keyName }, caller),
    );
  }

  async connect(request: RepositoryConnect, caller: Requester): Promise<OperationSnapshot> {
    const { name, place, retention } = request;
    return await this.#withCredentials(request, (id) =>
      this.#begin(this.#operations.connect, { id, name, place, retention }, caller),
    );
  }

  async remove(repository: string, caller: Requester): Promise<OperationSnapshot> {
    return this.#begin(this.#operations.remove, await this.#named(repository), caller);
  }

  async set(repository: string, patch: RepositoryPatch, caller: Requester): Promise<OperationSnapshot> {
    return this.#begin(this.#operations.set, { ...(await this.#named(repository)), ...patch }, caller);
  }

  async check(repository: string, readData: boolean, caller: Requester): Promise<OperationSnapshot> {
    return this.#begin(this.#operations.check, { ...(await this.#named(repository)), readData }, caller);
  }

  async prune(repository: string, applyRetention: boolean, caller: Requester): Promise<OperationSnapshot> {
    const input = { ...(await this.#named(repository)), applyRetention };
    return this.#begin(this.#operations.prune, input, caller);
  }

  async repair(repository: string, caller: Requester): Promise<OperationSnapshot> {
    return this.#begin(this.#operations.repair, await this.#named(repository), caller);
  }

  async copy(repository: string, request: RepositoryCopy, caller: Requester): Promise<OperationSnapshot> {
    const from = await this.#named(repository);
    const to = await this.#named(request.to);
    if (from.id === to.id) throw connectionErrors['same-repository']({ repository: from.name });
    return this.#begin(this.#operations.copy, { ...from, to, points: request.points ?? null }, caller);
  }

  async keys(repository: string, signal: AbortSignal): Promise<RepositoryKey[]> {
    await using open = await this.#host.connections.open(repository, signal);
    const { slots } = await listKeySlots(open.context.store, signal);
    return slots.map(({ id, name, createdAt, kdf }) => ({
      id,
      name,
      createdAt,
      kind: kdf === 'argon2id' ? 'passphrase' : 'key-file',
      current: id === open.opened.keyId,
    }));
  }

  async addKey(repository: string, request: RepositoryKeyAdd, caller: Requester): Promise<OperationSnapshot> {
    return await this.#withKey(this.#operations.keyAdd, repository, request, caller);
  }

  async changeKey(
    repository: string,
    request: RepositoryKeyAdd,
    caller: Requester,
  ): Promise<OperationSnapshot> {
    return await this.#withKey(this.#operations.keyChange, repository, request, caller);
  }

  async removeKey(repository: string, key: string, caller: Requester): Promise<OperationSnapshot> {
    return this.#begin(this.#operations.keyRemove, { ...(await this.#named(repository)), key }, caller);
  }

  /** Nothing is begun with a secret that would be refused later, in the midst of the work. */
  async #withCredentials(
    { name, place, secret, credentials }: RepositoryConnect,
    begin: (id: string) => Promise<OperationSnapshot>,
  ): Promise<OperationSnapshot> {
    checkPlace(place);
    refuseWeak(secret ?? null);
    const { records, credentials: files } = this.#host.connections;
    if (await records.find(name)) throw connectionErrors['name-taken']({ name });
    const id = newId();
    await files.write(id, { version: 1, secret: secret ?? null, store: credentials ?? null });
    try {
      return await begin(id);
    } catch (cause) {
      await files.remove(id);
      throw cause;
    }
  }

  async #withKey(
    operation: RepositoryOperations['keyAdd'],
    repository: string,
    { name, secret }: RepositoryKeyAdd,
    caller: Requester,
  ): Promise<OperationSnapshot> {
    refuseWeak(secret);
    const target = await this.#named(repository);
    const key = { id: newId(), name };
    const files = this.#host.connections.credentials;
    await files.writePending(target.id, key.id, secret);
    try {
      return await this.#begin(operation, { ...target, key }, caller);
    } catch (cause) {
      await files.removePending(target.id, key.id);
      throw cause;
    }
  }

  #begin<Input>(
    operation: Parameters<StartOperation>[0] & { readonly inputType?: Input },
    input: Input,
    caller: Requester,
  ): Promise<OperationSnapshot> {
    return this.#start(operation, input, { requestedBy: caller.name });
  }

  async #named(repository: string): Promise<Named> {
    const { id, name } = await this.#host.connections.records.get(repository);
    return { id, name };
  }
}

function refuseWeak(secret: RepositorySecret | null): void {
  const given = keySecret(secret);
  if (given) checkSecret(given);
}

function view(record: RepositoryRecord): Repository {
  const { policy, ...shown } = record;
  return { ...shown, ...policy };
}
