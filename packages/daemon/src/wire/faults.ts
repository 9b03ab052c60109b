/** What faults of crash tests can do to a host beside killing its daemon. */
import { once } from 'node:events';
import type { DataDirectory } from '@corral/host/data-directory';
import { killVmProcesses } from '@corral/host/vm/vm-processes';
import type { VmRecords } from '@corral/host/vm/vm-record';
import { type FaultActions, observerOfFaults } from '@corral/operation/fault';
import type { OperationObserver } from '@corral/operation/operation-observer';

/** The observer that CORRAL_FAULTS asks for; null when it is not set. @throws operation.bad-fault */
export function faultsOf(
  environment: NodeJS.ProcessEnv,
  directory: DataDirectory,
  records: VmRecords,
): OperationObserver | null {
  const text = environment['CORRAL_FAULTS'];
  return text ? observerOfFaults(text, actionsOn(directory, records)) : null;
}

function actionsOn(directory: DataDirectory, records: VmRecords): FaultActions {
  const killAll = async (): Promise<void> => {
    for (const { settings, process: recorded } of await records.list()) {
      await killVmProcesses(directory, settings.id, recorded);
    }
  };
  return {
    'kill-qemu': killAll,
    /** Until it gets SIGCONT: whoever stopped it looks at what lies on disk at this very point. */
    'stop-daemon': () => void process.kill(process.pid, 'SIGSTOP'),
    /** The operation alone stands still, and the daemon lives: until SIGUSR2. */
    'hold-step': async () => void (await once(process, 'SIGUSR2')),
    'kill-both': async () => {
      await killAll();
      process.kill(process.pid, 'SIGKILL');
      return new Promise(() => undefined);
    },
  };
}
