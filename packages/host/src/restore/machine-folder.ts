/** The files of a backup beside its disks, in the folder of a VM; owners and modes as vm.create makes them. */
import { chmod, chown, constants, copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { HeldPoint } from '@corral/backup/point/held-point';
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
    await rm(`${target}.part`, { force: true });
    await writeFile(`${target}.part`, content, { mode: 0o600, flag: 'wx' });
    if (kind === 'boot') await chmod(`${target}.part`, 0o640);
    if (uid !== null) await chown(`${target}.part`, kind === 'boot' ? 0 : uid, uid);
    await rename(`${target}.part`, target);
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
    await copyFile(source, target, constants.COPYFILE_FICLONE);
    await chmod(target, 0o640);
    if (uid !== null) await chown(target, 0, uid);
  }
}

/** The TPM's folder belongs to the VM's user, since swtpm makes files in it. */
async function makeFolderOf(path: string, folder: string, uid: number | null): Promise<void> {
  const parent = join(folder, dirname(path));
  await mkdir(parent, { recursive: true, mode: path.startsWith('tpm/') ? 0o700 : 0o750 });
  if (uid !== null && path.startsWith('tpm/')) await chown(parent, uid, uid);
}
