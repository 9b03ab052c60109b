/**
 * The folders of a VM: its home, in the data directory or on another volume, and those of single disks elsewhere
 * (docs/formats/volume.md). All are root's with the VM's group: its QEMU finds its files and can put none there.
 */
import { chmod, chown, mkdir, readlink, rmdir, symlink } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { syncFolder } from '@corral/disk/sync';
import type { DataDirectory } from '../data-directory.ts';
import { removeWhole } from '../storage/whole-files.ts';
import type { Volumes } from '../volume/volumes.ts';

interface Surroundings {
  readonly directory: DataDirectory;
  readonly volumes: Volumes;
}

/** Repeatable. @param home where the folder is to be when that is not the data directory */
export async function makeVmFolder(
  { directory }: Surroundings,
  id: string,
  uid: number | null,
  home: string | null = null,
): Promise<void> {
  const paths = directory.vm(id);
  if (home !== null) {
    await makeOwned(home, uid);
    await linkTo(home, paths.folder);
  }
  for (const folder of [paths.folder, paths.disks, paths.boot]) await makeOwned(folder, uid);
  await mkdir(paths.log, { recursive: true, mode: 0o700 });
}

/** For the file of a disk that lies on another volume than its VM. Repeatable. */
export async function makeDiskFolder(diskPath: string, uid: number | null): Promise<void> {
  if (!isAbsolute(diskPath)) return;
  const folder = dirname(diskPath);
  for (const each of [dirname(folder), folder]) await makeOwned(each, uid);
}

/** Takes such a folder away when nothing is in it any more. Repeatable. */
export async function pruneDiskFolder(diskPath: string): Promise<void> {
  if (!isAbsolute(diskPath)) return;
  const folder = dirname(diskPath);
  for (const each of [folder, dirname(folder)]) {
    if (!(await removeIfEmpty(each))) return;
  }
}

/** @returns whether it is gone */
async function removeIfEmpty(folder: string): Promise<boolean> {
  try {
    await rmdir(folder);
    return true;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return true;
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
    throw cause;
  }
}

/**
 * All folders of a VM, on every volume that this host may write to. On one that another host has taken they stay:
 * they are not this host's to delete. Repeatable.
 */
export async function removeVmFolders({ directory, volumes }: Surroundings, id: string): Promise<void> {
  for (const folder of await volumes.foldersOf(id)) await removeWhole(folder);
  const home = await volumes.linkedHome(id);
  // One that was registered in place lies in a folder of the administrator's; those on volumes are gone by now.
  if (home !== null && (await volumes.mayWriteTo(home))) await removeParts(home);
  // Of a link only the link itself goes.
  await removeWhole(directory.vm(id).folder);
}

/** What Corral keeps in the folder of a VM (docs/formats/data-directory.md). */
const ownParts = [
  'vm.json',
  'disks',
  'boot',
  'checkpoints',
  'changes',
  'log',
  'tpm',
  'firmware-variables.fd',
  'saved-memory',
];

/** What else lies there stays, and the folder with it. */
async function removeParts(folder: string): Promise<void> {
  for (const part of ownParts) await removeWhole(join(folder, part));
  await removeIfEmpty(folder);
}

/**
 * A path of a VM's settings as that of another VM: a disk on another volume lies in a folder with the VM's id.
 *
 * @param gathered all files lie where the new VM is at home
 */
export function pathOfClone(path: string, fromId: string, toId: string, gathered = false): string {
  if (gathered) return `disks/${basename(path)}`;
  return isAbsolute(path) ? path.replace(`/vms/${fromId}/`, `/vms/${toId}/`) : path;
}

/** Where a disk lies that is not on the volume of its VM's home. */
export function diskPathOn(disksFolder: string, vmId: string, fileName: string): string {
  return join(disksFolder, vmId, 'disks', fileName);
}

async function makeOwned(folder: string, uid: number | null): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o750 });
  await chmod(folder, 0o750);
  if (uid !== null) await chown(folder, 0, uid);
}

async function linkTo(home: string, link: string): Promise<void> {
  try {
    await symlink(home, link);
    await syncFolder(dirname(link));
  } catch (cause) {
    // Made by a try before this one.
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST' || (await readlink(link)) !== home) throw cause;
  }
}
