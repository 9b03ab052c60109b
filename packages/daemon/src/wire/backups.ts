/** Backups, reference points and the forks that both are made of, put together. */

import { isCorralError } from '@corral/core/errors';
import { backupDelete } from '@corral/host/backup/backup-delete';
import type { BackupHost, Forks } from '@corral/host/backup/backup-host';
import { backupRun } from '@corral/host/backup/backup-operation';
import { vmFork } from '@corral/host/backup/fork-operation';
import { PlanRecords } from '@corral/host/backup/plan/plan-record';
import { Slots } from '@corral/host/backup/slots';
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
) {
  const fork = vmFork(host);
  const backups: BackupHost = {
    host,
    store,
    connections,
    forks: forksBy(fork, engine),
    slots: new Slots(backupsAtOnce),
  };
  const changes: ChangesHost = { host, records: new ChangesRecords(store), forks: backups.forks };
  return {
    backups,
    fork,
    kinds: { run: backupRun(backups), delete: backupDelete(connections) },
    plans: new PlanRecords(store),
    changes,
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
