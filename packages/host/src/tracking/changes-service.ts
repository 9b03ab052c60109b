/** What is held open for readers of changes, as the API sees it. */
import type { ChangedExtent, Changes, ChangesOpen } from '@corral/api/schemas/reference';
import { newId } from '@corral/core/ids';
import type { Operation, OperationSnapshot } from '@corral/operation/operation';
import { vmErrors } from '../errors.ts';
import type { Requester, StartOperation } from '../operations.ts';
import type { ChangesCloseInput, ChangesHost, ChangesOpenInput } from './changes-operations.ts';
import type { ChangesRecord } from './changes-record.ts';
import { changesSocket } from './changes-server.ts';
import { trackingErrors } from './errors.ts';
import { readExtentsFile } from './extents-file.ts';
import { planHeldFork } from './held-fork.ts';

export interface ChangesOperations {
  readonly open: Operation<ChangesOpenInput>;
  readonly close: Operation<ChangesCloseInput>;
}

export class ChangesService {
  readonly #changes: ChangesHost;
  readonly #operations: ChangesOperations;
  readonly #start: StartOperation;

  constructor(changes: ChangesHost, operations: ChangesOperations, start: StartOperation) {
    this.#changes = changes;
    this.#operations = operations;
    this.#start = start;
  }

  async open(vm: string, request: ChangesOpen, caller: Requester): Promise<OperationSnapshot> {
    const { since, ...fork } = await planHeldFork(this.#changes.host, vm, request);
    return await this.#start(
      this.#operations.open,
      { id: newId(), ...fork, sinceId: since?.id ?? null, keepMs: request.keepMs },
      { requestedBy: caller.name },
    );
  }

  async list(vm: string): Promise<Changes[]> {
    const { settings } = await this.#changes.host.records.get(vm);
    return (await this.#changes.records.list(settings.id)).map((record) => this.#view(record));
  }

  async show(vm: string, id: string): Promise<Changes> {
    return this.#view(await this.#find(vm, id));
  }

  /** In order, from the first that ends behind `after`. */
  async extents(
    vm: string,
    id: string,
    disk: string,
    after: number,
    limit: number,
  ): Promise<{ items: ChangedExtent[]; next: number | null }> {
    const record = await this.#find(vm, id);
    const found = record.disks.find(({ name, diskId }) => name === disk || diskId === disk);
    if (!found) throw vmErrors['disk-not-found']({ vm, disk });
    const path = this.#changes.host.directory.resolveInVm(record.vmId, found.path);
    const all = await readExtentsFile(path, found);
    const from = all.findIndex(({ offset, length }) => offset + length > after);
    const items = from < 0 ? [] : all.slice(from, from + limit);
    const last = items.at(-1);
    const more = from >= 0 && from + limit < all.length;
    return { items, next: more && last ? last.offset + last.length : null };
  }

  async close(vm: string, id: string, caller: Requester): Promise<OperationSnapshot> {
    const { vmId, vmName } = await this.#find(vm, id);
    return await this.#start(this.#operations.close, { id, vmId, vmName }, { requestedBy: caller.name });
  }

  async #find(vm: string, id: string): Promise<ChangesRecord> {
    const { settings } = await this.#changes.host.records.get(vm);
    const record = await this.#changes.records.find(settings.id, id);
    if (!record) throw trackingErrors['changes-not-found']({ vm: settings.name, id });
    return record;
  }

  #view(record: ChangesRecord): Changes {
    const { id, vmId, since, createdAt, expiresAt, consistency, reason, frozenMs, disks } = record;
    const socket = changesSocket(this.#changes.host.directory, id);
    return {
      id,
      vmId,
      since,
      createdAt,
      expiresAt,
      consistency,
      reason,
      frozenMs: Math.round(frozenMs),
      nbd: `nbd+unix:///DISK?socket=${encodeURI(socket)}`,
      disks: disks.map(({ name, sizeBytes, tracked, changedBytes, extents }) => ({
        name,
        sizeBytes,
        tracked,
        changedBytes,
        extents,
      })),
    };
  }
}
