/** Every kind of operation on VMs, made once per daemon: the registry that crash tests enumerate is filled from here. */
import { vmDiskAccept } from './operations/accept-disk.ts';
import { vmClone } from './operations/clone.ts';
import { vmCreate } from './operations/create.ts';
import { vmDelete } from './operations/delete.ts';
import { vmDiskAdd, vmDiskRemove } from './operations/disks.ts';
import { vmPortAdd, vmPortRemove } from './operations/ports.ts';
import { vmDiscardSaved, vmPause, vmReset, vmResume, vmShutdown, vmStop } from './operations/power.ts';
import { vmDiskResize } from './operations/resize-disk.ts';
import { vmSave } from './operations/save.ts';
import { vmSet } from './operations/set.ts';
import { vmStart } from './operations/start.ts';
import type { VmHost } from './vm-host.ts';

export function vmOperations(host: VmHost) {
  return {
    create: vmCreate(host),
    start: vmStart(host),
    shutdown: vmShutdown(host),
    stop: vmStop(host),
    pause: vmPause(host),
    resume: vmResume(host),
    reset: vmReset(host),
    save: vmSave(host),
    discardSaved: vmDiscardSaved(host),
    set: vmSet(host),
    clone: vmClone(host),
    delete: vmDelete(host),
    diskAdd: vmDiskAdd(host),
    diskRemove: vmDiskRemove(host),
    diskAccept: vmDiskAccept(host),
    diskResize: vmDiskResize(host),
    portAdd: vmPortAdd(host),
    portRemove: vmPortRemove(host),
  };
}

export type VmOperations = ReturnType<typeof vmOperations>;
