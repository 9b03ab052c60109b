/** Reference points as the API sees them. */
import type { Reference, ReferenceCreate } from '@corral/api/schemas/reference';
import { newId } from '@corral/core/ids';
import type { Operation, OperationSnapshot } from '@corral/operation/operation';
import { timeName } from '../backup/backup-service.ts';
import { chainErrors } from '../errors.ts';
import { requireFreezable } from '../guard/frozen-guest.ts';
import type { Requester, StartOperation } from '../operations.ts';
import { requireLegal, type VmHost } from '../vm/vm-host.ts';
import { trackingErrors } from './errors.ts';
import type { ForkInput } from './fork-steps.ts';
import type { ReferenceDeleteInput } from './reference-operations.ts';
import type { ReferenceRecord } from './reference-record.ts';

export interface ReferenceOperations {
  readonly create: Operation<ForkInput>;
  readonly delete: Operation<ReferenceDeleteInput>;
}

export class ReferenceService {
  readonly #host: VmHost;
  readonly #operations: ReferenceOperations;
  readonly #start: StartOperation;

  constructor(host: VmHost, operations: ReferenceOperations, start: StartOperation) {
    this.#host = host;
    this.#operations = operations;
    this.#start = start;
  }

  async list(vm: string): Promise<Reference[]> {
    const { settings } = await this.#host.records.get(vm);
    const { references } = await this.#host.chainRecords.read(settings.id);
    return references.map(viewOf);
  }

  async create(vm: string, request: ReferenceCreate, caller: Requester): Promise<OperationSnapshot> {
    const record = await this.#host.records.get(vm);
    requireLegal(this.#host, record, 'reference-create');
    const { id, name, disks } = record.settings;
    const device = disks.find(({ passThrough }) => passThrough);
    if (device) throw chainErrors['cannot-fork']({ vm: name, disk: device.name });
    await requireFreezable(this.#host, record, request.consistency);
    const reference = { id: newId(), name: request.name ?? timeName(new Date()) };
    const { references } = await this.#host.chainRecords.read(id);
    if (references.some((other) => other.name === reference.name)) {
      throw trackingErrors['reference-exists']({ vm: name, reference: reference.name });
    }
    return await this.#start(
      this.#operations.create,
      {
        vmId: id,
        vmName: name,
        pin: null,
        reference,
        consistency: request.consistency ?? null,
        freezeLimitMs: request.freezeLimitMs,
      },
      { requestedBy: caller.name },
    );
  }

  async delete(vm: string, reference: string, caller: Requester): Promise<OperationSnapshot> {
    const { settings } = await this.#host.records.get(vm);
    const { references } = await this.#host.chainRecords.read(settings.id);
    const found = findReference(references, settings.name, reference);
    return await this.#start(
      this.#operations.delete,
      { vmId: settings.id, vmName: settings.name, referenceId: found.id, reference: found.name },
      { requestedBy: caller.name },
    );
  }
}

/** @throws tracking.reference-not-found */
export function findReference(
  references: readonly ReferenceRecord[],
  vm: string,
  nameOrId: string,
): ReferenceRecord {
  const found = references.find(({ id, name }) => id === nameOrId || name === nameOrId);
  if (!found) throw trackingErrors['reference-not-found']({ vm, reference: nameOrId });
  return found;
}

function viewOf({ id, name, createdAt, backup, disks }: ReferenceRecord): Reference {
  return {
    id,
    name,
    createdAt,
    backup: backup && { repositoryId: backup.repositoryId, backupId: backup.pointId },
    disks: disks.map((disk) => ({ name: disk.name, sizeBytes: disk.sizeBytes })),
  };
}
