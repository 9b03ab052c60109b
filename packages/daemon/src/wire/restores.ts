/** What restores work with, and their operations. */
import { derivedId } from '@corral/core/ids';
import type { SerialConsoles } from '@corral/host/console/screens';
import type { RepositoryConnections } from '@corral/host/repository/connections';
import { ChildOperations } from '@corral/host/restore/child-operations';
import type { RestoreHost } from '@corral/host/restore/restore-host';
import { restoreOperations } from '@corral/host/restore/restore-operations';
import type { VmHost } from '@corral/host/vm/vm-host';
import type { vmOperations } from '@corral/host/vm/vm-operations';
import type { OperationEngine } from '@corral/operation/operation-engine';

export interface RestoreParts {
  readonly host: VmHost;
  readonly vms: ReturnType<typeof vmOperations>;
  readonly consoles: SerialConsoles;
  readonly connections: RepositoryConnections;
  readonly engine: () => OperationEngine;
}

export function assembleRestores({ connections, consoles, engine, host, vms }: RestoreParts) {
  const restores: RestoreHost = {
    host,
    connections,
    queueDiskAdd: async (target, operationId, requestedBy) => {
      const id = derivedId(`disk of ${operationId}`);
      const input = { ...target, making: { kind: 'blank' } as const, volumes: [] };
      return (await engine().start(vms.diskAdd, input, { requestedBy, id, whenBusy: 'queue' })).id;
    },
    children: new ChildOperations(engine),
    kinds: () => ({
      restoreVm: restoreKinds.vm,
      start: vms.start,
      stop: vms.stop,
      delete: vms.delete,
    }),
    consoles: { historyOf: (vmId) => consoles.of(vmId)?.history().toString('latin1') ?? null },
    beginCopy: async (copy, operationId, requestedBy) => {
      const id = derivedId(`copy of ${operationId}`);
      return (await engine().start(restoreKinds.copy, copy, { requestedBy, id, whenBusy: 'queue' })).id;
    },
  };
  const restoreKinds = restoreOperations(restores);
  return { restores, restoreKinds };
}
