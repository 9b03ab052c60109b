/** Every kind of operation on checkpoints, made once per daemon: the registry that crash tests enumerate is filled from here. */
import type { VmHost } from '../vm/vm-host.ts';
import { checkpointApply } from './operations/apply-checkpoint.ts';
import { checkpointCreate } from './operations/create-checkpoint.ts';
import { checkpointDelete } from './operations/delete-checkpoint.ts';
import { checkpointExport } from './operations/export-checkpoint.ts';
import { checkpointRename } from './operations/rename-checkpoint.ts';

export function checkpointOperations(host: VmHost) {
  return {
    create: checkpointCreate(host),
    apply: checkpointApply(host),
    rename: checkpointRename(host),
    delete: checkpointDelete(host),
    export: checkpointExport(host),
  };
}

export type CheckpointOperations = ReturnType<typeof checkpointOperations>;
