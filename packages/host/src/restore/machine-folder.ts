/** The files of a backup beside its disks, in the folder of a VM; owners and modes as vm.create makes them. */
import { chmod, chown, constants, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { HeldPoint } from '@corral/backup/point/held-point';
import { makeWhole } from '../storage/whole-files.ts';
import { machineFiles } from './point-machine.ts';

/** Repeatable. @param folder that belongs to root: nobody else can have put a link there, `tpm` and below excepted */
export async function writeMachineFiles(
  held: HeldPoint,
  folder: string,
  uid: number | null,
  signal: AbortSignal,
): Promise<void> {
  for (const { path, document, kind } of machineFiles(held.point)) {
    const target = join(folder, path);
    await makeFolderOf(path, folder, uid);
    const content = await held.document(document, signal);
    await makeWhole(target, async (part) => {
      await writeFile(part, content, { mode: 0o600, flag: 'wx' });
      if (kind === 'boot') await chmod(part, 0o640);
      if (uid !== null) await chown(part, kind === 'boot' ? 0 : uid, uid);
    });
  }
}

/** Kernel and initramfs of Corral's own. Repeatable. */
export async function copyBootFiles(
  boot: { readonly kernel: string; readonly initrd: string },
  folder: string,
  uid: number | null,
): Promise<void> {
  for (const [source, name] of [
    [boot.kernel, 'vmlinuz'],
    [boot.initrd, 'initrd'],
  ] as const) {
    const target = join(folder, 'boot', name);
    await makeWhole(target, async (part) => {
      await copyFile(source, part, constants.COPYFILE_FICLONE);
      await chmod(part, 0o640);
      if (uid !== null) await chown(part, 0, uid);
    });
  }
}

/** The TPM's folder belongs to the VM's user, since swtpm makes files in it. */
async function makeFolderOf(path: string, folder: string, uid: number | null): Promise<void> {
  const parent = join(folder, dirname(path));
  await mkdir(parent, { recursive: true, mode: path.startsWith('tpm/') ? 0o700 : 0o750 });
  if (uid !== null && path.startsWith('tpm/')) await chown(parent, uid, uid);
}
