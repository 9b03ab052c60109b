/** What is on a volume, and who needs it. */
import { lstat, readdir } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { DataDirectory } from '../data-directory.ts';
import { unlessAbsent } from '../storage/unless-absent.ts';
import type { VmRecord } from '../vm/vm-record.ts';
import { diskPlaces, disksFolder, isBelow, realPlace, vmsFolder, volumeOf } from './placement.ts';
import type { VolumeRecord } from './volume-record.ts';

/** Files of a VM that stand in no disk of its settings: layers that a checkpoint keeps. */
export type FilesOfVm = (vm: VmRecord) => Promise<readonly string[]>;

export interface VolumeUser {
  readonly id: string;
  readonly name: string;
  readonly running: boolean;
  /** Virtual sizes of its disks on the volume. */
  readonly provisionedBytes: number;
}

/** By name: VMs with a file on the volume: their home, a disk, a layer, a CD or a kernel that lies there. */
export async function usersOf(
  volume: VolumeRecord,
  volumes: readonly VolumeRecord[],
  directory: DataDirectory,
  vms: readonly VmRecord[],
  filesOf: FilesOfVm,
): Promise<VolumeUser[]> {
  const on = (path: string): boolean => volumeOf(volumes, path)?.id === volume.id;
  const users: VolumeUser[] = [];
  for (const record of vms) {
    const { settings } = record;
    const machines = [settings, record.process?.applied, record.saved?.applied].filter((vm) => vm != null);
    const places = (await Promise.all(machines.map((vm) => diskPlaces(directory, vm)))).flat();
    const home = await realPlace(directory, directory.vm(settings.id).folder);
    const given = machines.flatMap((vm) => [vm.iso, vm.kernel?.kernel, vm.kernel?.initrd]);
    const others = given.filter((path) => path != null && isAbsolute(path)) as string[];
    if (![home, ...places.map(({ path }) => path), ...others, ...(await filesOf(record))].some(on)) continue;
    const tops = new Set(
      (await diskPlaces(directory, settings))
        .filter(({ top, path }) => top && on(path))
        .map(({ disk }) => disk),
    );
    const disks = settings.disks.filter(({ name }) => tops.has(name));
    users.push({
      id: settings.id,
      name: settings.name,
      running: record.process !== null,
      provisionedBytes: disks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    });
  }
  return users.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What files of VMs and images occupy. Blocks that copies share are counted for each. */
export async function allocatedBytes(volume: VolumeRecord, nested: readonly VolumeRecord[]): Promise<number> {
  const own = volume.local ? [vmsFolder(volume), join(volume.root, 'images')] : [];
  const folders = [disksFolder(volume), ...own];
  const others = nested.filter(({ id }) => id !== volume.id).map(({ root }) => root);
  let sum = 0;
  for (const folder of folders) {
    for await (const bytes of occupiedBelow(folder, others)) sum += bytes;
  }
  return sum;
}

async function* occupiedBelow(folder: string, others: readonly string[]): AsyncGenerator<number> {
  if (others.some((root) => isBelow(root, folder))) return;
  for (const entry of await unlessAbsent(readdir(folder, { withFileTypes: true }), [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* occupiedBelow(path, others);
    // stat(2) counts blocks of 512 bytes whatever the file system's are.
    else if (entry.isFile())
      yield await unlessAbsent(
        lstat(path).then(({ blocks }) => blocks * 512),
        0,
      );
  }
}
