/** What QEMU says of itself → the state of the VM. Pure. */
import type { VmState } from '@corral/core/vm-actions';
import type { RunState } from '@corral/qmp/commands/machine';

export interface VmStatus {
  readonly state: VmState;
  /** Why, when nobody asked for it. */
  readonly reason: string | null;
}

/** RunState of QEMU's QAPI schema (run-state.json) → state and, where it is not the guest's own doing, the reason. */
export function statusOfQemu(runState: RunState, ioError: string | null): VmStatus {
  switch (runState) {
    case 'running':
    case 'suspended':
      return { state: 'running', reason: runState === 'suspended' ? 'the guest is suspended' : null };
    case 'paused':
    case 'debug':
      return { state: 'paused', reason: null };
    case 'io-error':
      return { state: 'paused', reason: ioError ?? 'a disk reported an I/O error' };
    case 'internal-error':
      return { state: 'paused', reason: 'QEMU reported an internal error' };
    case 'guest-panicked':
      return { state: 'paused', reason: 'the guest system panicked' };
    case 'watchdog':
      return { state: 'paused', reason: 'the watchdog of the guest expired' };
    case 'save-vm':
    case 'finish-migrate':
    case 'postmigrate':
      return { state: 'saving', reason: null };
    case 'prelaunch':
    case 'inmigrate':
    case 'restore-vm':
    case 'colo':
      return { state: 'starting', reason: null };
    case 'shutdown':
      return { state: 'stopping', reason: null };
  }
}
