/** What backups work with. */
import type { Store } from '@corral/store/store';
import type { RepositoryConnections } from '../repository/connections.ts';
import type { ForkInput, ForkOutput } from '../tracking/fork-steps.ts';
import type { VmHost } from '../vm/vm-host.ts';
import type { Pace } from './pace.ts';
import type { Slots } from './slots.ts';

/** Begins and ends operations `vm.fork` for a backup; wired by the daemon. */
export interface Forks {
  /** Waits for whatever holds the VM. Repeatable: the same id forks once. */
  readonly run: (input: ForkInput, id: string, signal: AbortSignal) => Promise<ForkOutput>;
  /** Sees to it that this fork neither runs nor will. It may never have begun. Repeatable. */
  readonly abandon: (id: string, signal: AbortSignal) => Promise<void>;
}

export interface BackupHost {
  readonly host: VmHost;
  readonly store: Store;
  readonly connections: RepositoryConnections;
  readonly forks: Forks;
  /** Bounds how many VMs are backed up at once. */
  readonly slots: Slots;
  /** What all backups of the host together may read. */
  readonly pace: Pace;
}
