/** Every kind of operation of restores, made once per daemon. */
import { restoreBrowse } from './operations/browse-backup.ts';
import { restoreCopy } from './operations/copy-from-backup.ts';
import { restoreDisk } from './operations/restore-disk.ts';
import { restoreFiles } from './operations/restore-files.ts';
import { restoreInPlace } from './operations/restore-in-place.ts';
import { restoreVm } from './operations/restore-vm.ts';
import { restoreVerify } from './operations/verify-backup.ts';
import type { RestoreHost } from './restore-host.ts';

export function restoreOperations(restores: RestoreHost) {
  return {
    vm: restoreVm(restores),
    inPlace: restoreInPlace(restores),
    disk: restoreDisk(restores),
    files: restoreFiles(restores),
    copy: restoreCopy(restores),
    verify: restoreVerify(restores),
    browse: restoreBrowse(restores),
  };
}

export type RestoreOperations = ReturnType<typeof restoreOperations>;
