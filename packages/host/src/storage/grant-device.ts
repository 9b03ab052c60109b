/**
 * A block device belongs to the VM's user while the VM runs, and to root again afterwards: QEMU opens it without any
 * right of its own, and no two VMs of this host have one at the same time (invariant 1).
 */
import { chown, stat } from 'node:fs/promises';
import { vmErrors } from '../errors.ts';

const root = 0;

/** Repeatable. @throws vm.device-in-use */
export async function grantDevice(vm: string, disk: string, path: string, uid: number): Promise<void> {
  const found = await stat(path);
  if (found.uid !== root && found.uid !== uid) throw vmErrors['device-in-use']({ vm, disk, path });
  await chown(path, uid, found.gid);
}

/** Repeatable; one that another VM has got since stays with that. */
export async function takeBackDevice(path: string, uid: number): Promise<void> {
  try {
    const found = await stat(path);
    if (found.uid === uid) await chown(path, root, found.gid);
  } catch (cause) {
    // A device that was unplugged has nobody's rights.
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
  }
}
