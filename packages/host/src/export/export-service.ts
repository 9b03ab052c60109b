/** Exports of VMs as the API asks for them. */
import type { VmExport } from '@corral/api/schemas/export';
import type { Operation, OperationSnapshot } from '@corral/operation/operation';
import type { Requester, StartOperation } from '../operations.ts';
import { planHeldFork } from '../tracking/held-fork.ts';
import type { ExportHost, VmExportInput } from './vm-export.ts';

export class ExportService {
  readonly #exports: ExportHost;
  readonly #operation: Operation<VmExportInput>;
  readonly #start: StartOperation;

  constructor(exports: ExportHost, operation: Operation<VmExportInput>, start: StartOperation) {
    this.#exports = exports;
    this.#operation = operation;
    this.#start = start;
  }

  async export(vm: string, request: VmExport, caller: Requester): Promise<OperationSnapshot> {
    const { since, ...fork } = await planHeldFork(this.#exports.host, vm, request);
    return await this.#start(
      this.#operation,
      { ...fork, directory: request.directory, since: since && { id: since.id, name: since.name } },
      { requestedBy: caller.name },
    );
  }
}
