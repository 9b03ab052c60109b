/**
 * Which volume a file is on: the one whose root its path lies below (docs/design/0007-volumes.md). Pure but for the
 * link that leads to the home of a VM.
 */
import { readlink } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import type { DataDirectory } from '../data-directory.ts';
import type { VolumeRecord } from './volume-record.ts';

export function isBelow(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

/** The volume with the longest root above `path`; null for a path outside of all. */
export function volumeOf(volumes: readonly VolumeRecord[], path: string): VolumeRecord | null {
  const above = volumes.filter(({ root }) => isBelow(root, path));
  return above.toSorted((a, b) => b.root.length - a.root.length)[0] ?? null;
}

/** Where the folders of VMs are on it that have single disks there; but for `local` their homes too. */
export function disksFolder(volume: Pick<VolumeRecord, 'root'>): string {
  return join(volume.root, 'corral', 'vms');
}

/** Where the homes of VMs are on it. */
export function vmsFolder(volume: Pick<VolumeRecord, 'root' | 'local'>): string {
  return volume.local ? join(volume.root, 'vms') : disksFolder(volume);
}

/** The folder of a VM that is at home on a volume, or null for one whose home is the data directory. */
export async function linkedHome(directory: DataDirectory, vmId: string): Promise<string | null> {
  try {
    return await readlink(directory.vm(vmId).folder);
  } catch (cause) {
    // EINVAL: a folder, not a link. ENOENT: not made yet, or gone.
    if (['EINVAL', 'ENOENT'].includes((cause as NodeJS.ErrnoException).code ?? '')) return null;
    throw cause;
  }
}

/** The path with the link to a VM's home followed, whether what is behind it is there or not. */
export async function realPlace(directory: DataDirectory, path: string): Promise<string> {
  const inside = relative(join(directory.root, 'vms'), resolve(path));
  if (inside === '' || inside.startsWith('..')) return resolve(path);
  const [id, ...rest] = inside.split('/');
  const home = await linkedHome(directory, id!);
  return home === null ? resolve(path) : join(home, ...rest);
}

/** Every file of its disks, with the links followed: devices of the host are none. */
export async function diskPlaces(
  directory: DataDirectory,
  vm: Pick<VmSettings, 'id' | 'disks'>,
): Promise<
  { readonly disk: string; readonly path: string; readonly top: boolean; readonly format: 'qcow2' | 'raw' }[]
> {
  const files = vm.disks
    .filter(({ passThrough }) => !passThrough)
    .flatMap((disk) => [
      { disk: disk.name, path: disk.path, format: disk.format, top: true },
      ...disk.parents.map(({ path, format }) => ({ disk: disk.name, path, format, top: false })),
    ]);
  return Promise.all(
    files.map(async (file) => ({
      ...file,
      path: await realPlace(directory, directory.resolveInVm(vm.id, file.path)),
    })),
  );
}
