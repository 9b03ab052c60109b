/** What restores work with. */
import type { DiskSettings } from '@corral/api/schemas/vm-settings';
import type { HeldPoint } from '@corral/backup/point/held-point';
import type { Repository } from '@corral/backup/repository';
import type { Operation } from '@corral/operation/operation';
import { z } from 'zod';
import type { RepositoryConnections } from '../repository/connections.ts';
import type { VmDeleteInput } from '../vm/operations/delete.ts';
import type { VmStartInput, VmTarget } from '../vm/operations/start.ts';
import type { VmHost } from '../vm/vm-host.ts';
import type { ChildOperations } from './child-operations.ts';
import type { CopyInput } from './operations/copy-from-backup.ts';
import type { RestoreVmInput } from './operations/restore-vm.ts';

export interface RestoreHost {
  readonly host: VmHost;
  readonly connections: RepositoryConnections;
  /**
   * Begins `vm.disk-add` for a disk whose file is there. Repeatable: the same operation begins one.
   *
   * @returns its id
   */
  readonly queueDiskAdd: (
    target: { readonly id: string; readonly name: string; readonly disk: DiskSettings },
    operationId: string,
    requestedBy: string,
  ) => Promise<string>;
  readonly children: ChildOperations;
  /** What a temporary VM is made, run and deleted by. A function: they are made with this host. */
  readonly kinds: () => {
    readonly restoreVm: Operation<RestoreVmInput>;
    readonly start: Operation<VmStartInput>;
    readonly stop: Operation<VmTarget>;
    readonly delete: Operation<VmDeleteInput>;
  };
  readonly consoles: {
    /** What a VM that runs has written to its serial port lately. */
    historyOf(vmId: string): string | null;
  };
  /** Begins `restore.copy`. Repeatable, as above. */
  readonly beginCopy: (copy: CopyInput, operationId: string, requestedBy: string) => Promise<string>;
}

/** The backup that a restore reads, and through which connection. */
export const RestoreSource = z.strictObject({
  repositoryId: z.string(),
  repositoryName: z.string(),
  pointId: z.string(),
  pointName: z.string(),
});
export type RestoreSource = z.infer<typeof RestoreSource>;

export interface OpenSource {
  readonly repository: Repository;
  /** As long as it is open no prune takes what it consists of. */
  readonly held: HeldPoint;
}

/** Opens the backup for the time of `work`. @throws repository.point-not-found and what an opening throws */
export async function withSource<T>(
  { connections }: Pick<RestoreHost, 'connections'>,
  source: Pick<RestoreSource, 'repositoryId' | 'pointId'>,
  signal: AbortSignal,
  work: (open: OpenSource) => Promise<T>,
): Promise<T> {
  await using repository = await connections.open(source.repositoryId, signal);
  await using held = await repository.holdPoint(source.pointId, signal);
  return await work({ repository, held });
}
