/** Backups, reference points and the forks that both are made of, put together. */

import { isCorralError } from '@corral/core/errors';
import { backupDelete } from '@corral/host/backup/backup-delete';
import type { BackupHost, Forks } from '@corral/host/backup/backup-host';
import { backupRun } from '@corral/host/backup/backup-operation';
import { BackupService } from '@corral/host/backup/backup-service';
import { vmFork } from '@corral/host/backup/fork-operation';
import { Pace } from '@corral/host/backup/pace';
import { PlanRecords } from '@corral/host/backup/plan/plan-record';
import { PlanRunner } from '@corral/host/backup/plan/plan-runner';
import { Slots } from '@corral/host/backup/slots';
import { vmExport } from '@corral/host/export/vm-export';
import type { RepositoryConnections } from '@corral/host/repository/connections';
import { type ChangesHost, changesClose, changesOpen } from '@corral/host/tracking/changes-operations';
import { ChangesRecords } from '@corral/host/tracking/changes-record';
import { ForkOutput } from '@corral/host/tracking/fork-steps';
import { referenceCreate, referenceDelete } from '@corral/host/tracking/reference-operations';
import type { VmHost } from '@corral/host/vm/vm-host';
import { finalStates } from '@corral/operation/operation';
import type { OperationEngine } from '@corral/operation/operation-engine';
import type { Store } from '@corral/store/store';

/** VMs that are backed up at once: each reads, compresses and encrypts as fast as it can. */
const backupsAtOnce = 2;

export function assembleBackups(
  host: VmHost,
  store: Store,
  connections: RepositoryConnections,
  engine: () => OperationEngine,
  bytesPerSecond: number | null,
) {
  const fork = vmFork(host);
  const backups: BackupHost = {
    host,
    store,
    connections,
    forks: forksBy(fork, engine),
    slots: new Slots(backupsAtOnce),
    pace: new Pace(bytesPerSecond),
  };
  const changes: ChangesHost = { host, records: new ChangesRecords(store), forks: backups.forks };
  const kinds = { run: backupRun(backups), delete: backupDelete(connections) };
  const plans = new PlanRecords(store);
  return {
    backups,
    fork,
    kinds,
    plans,
    planRunner: new PlanRunner({
      backups,
      records: plans,
      service: new BackupService(backups, kinds, (operation, input, options) =>
        engine().start(operation, input, options),
      ),
      wait: (id, signal) => engine().wait(id, signal),
    }),
    changes,
    exportKinds: { export: vmExport(changes) },
    changesKinds: { open: changesOpen(changes), close: changesClose(changes) },
    references: { create: referenceCreate(host), delete: referenceDelete(host) },
  };
}

function forksBy(fork: ReturnType<typeof vmFork>, engine: () => OperationEngine): Forks {
  return {
    run: async (input, id, signal) =>
      ForkOutput.parse(
        await engine().run(fork, input, { id, signal, whenBusy: 'queue', requestedBy: 'corral' }),
      ),
    abandon: async (id, signal) => {
      try {
        if (finalStates.has((await engine().get(id, signal)).state)) return;
        await engine().cancel(id, signal).catch(tooLate);
        await engine().wait(id, signal);
      } catch (cause) {
        // It never began.
        if (!isCorralError(cause, 'operation.not-found')) throw cause;
      }
    },
  };
}

/** Past its pivot a fork only goes forward, and soon ends. */
function tooLate(cause: unknown): void {
  if (!isCorralError(cause, 'operation.not-cancellable')) throw cause;
}
