/** Exports of VMs as the API asks for them. */
import type { VmExport } from '@corral/api/schemas/export';
import { newId } from '@corral/core/ids';
import type { Operation, OperationSnapshot } from '@corral/operation/operation';
import { requireFreezable } from '../guard/frozen-guest.ts';
import type { Requester, StartOperation } from '../operations.ts';
import { trackingErrors } from '../tracking/errors.ts';
import { requireOwnContent } from '../tracking/fork-steps.ts';
import { findReference } from '../tracking/reference-service.ts';
import { requireLegal } from '../vm/vm-host.ts';
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
    const { host } = this.#exports;
    const record = await host.records.get(vm);
    requireLegal(host, record, 'changes-open');
    requireOwnContent(record.settings);
    await requireFreezable(host, record, request.consistency);
    const { id: vmId, name: vmName } = record.settings;
    const { references } = await host.chainRecords.read(vmId);
    const since = request.since === undefined ? null : findReference(references, vmName, request.since);
    if (references.some(({ name }) => name === request.reference)) {
      throw trackingErrors['reference-exists']({ vm: vmName, reference: request.reference! });
    }
    return await this.#start(
      this.#operation,
      {
        vmId,
        vmName,
        directory: request.directory,
        since: since && { id: since.id, name: since.name },
        reference: request.reference === undefined ? null : { id: newId(), name: request.reference },
        consistency: request.consistency ?? null,
        freezeLimitMs: request.freezeLimitMs,
      },
      { requestedBy: caller.name },
    );
  }
}
