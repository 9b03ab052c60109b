/** `corral/vms` below the root of a volume (docs/formats/volume.md). */
import { chmod, mkdir, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { disksFolder } from './placement.ts';

/** Walked through by the VMs' users, listed by none. Repeatable. */
export async function makeDisksFolder(root: string): Promise<void> {
  const vms = disksFolder({ root });
  for (const folder of [dirname(vms), vms]) {
    await mkdir(folder, { recursive: true });
    await chmod(folder, 0o711);
  }
}

/** @returns whether they are gone: folders of VMs stay. Repeatable. */
export async function removeDisksFolder(root: string): Promise<boolean> {
  const vms = disksFolder({ root });
  for (const folder of [vms, dirname(vms)]) {
    try {
      await rmdir(folder);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
      if (code !== 'ENOENT') throw cause;
    }
  }
  return true;
}
