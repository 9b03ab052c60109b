/** How much a new disk may take at once, for the reserve of its volume. */
import { stat } from 'node:fs/promises';
import type { DiskSettings, VmSettings } from '@corral/api/schemas/vm-settings';
import type { DataDirectory } from '../data-directory.ts';
import { unlessAbsent } from '../storage/unless-absent.ts';
import type { Volumes } from '../volume/volumes.ts';
import type { DiskMaking } from './disk-files.ts';

export interface PlannedDisk {
  readonly disk: Pick<DiskSettings, 'name' | 'format' | 'sizeBytes'>;
  /** Absolute. */
  readonly path: string;
  readonly making: DiskMaking;
}

const KiB = 2 ** 10;
/** Header and tables of an empty qcow2. */
const emptyBytes = 1024 * KiB;

/**
 * Refuses disks that would use up the reserve of a volume, before the first is made.
 *
 * @throws volume.below-reserve with the figures; what `Volumes.requireHeld` throws
 */
export async function requireRoom(
  volumes: Volumes,
  what: string,
  planned: readonly PlannedDisk[],
): Promise<void> {
  const wanted = new Map<string, { path: string; bytes: number }>();
  for (const each of planned) {
    if (each.making.kind === 'device') continue;
    const volume = await volumes.of(each.path);
    const key = volume?.id ?? '';
    const bytes = (wanted.get(key)?.bytes ?? 0) + (await bytesNeeded(volumes, each));
    wanted.set(key, { path: each.path, bytes });
  }
  for (const { path, bytes } of wanted.values()) await volumes.requireSpace(path, bytes, what);
}

async function bytesNeeded(volumes: Volumes, { disk, path, making }: PlannedDisk): Promise<number> {
  const sparse = (await volumes.of(path))?.capabilities.sparseFiles ?? true;
  switch (making.kind) {
    case 'blank':
      return disk.format === 'raw' && !sparse ? disk.sizeBytes : emptyBytes;
    case 'ext4':
      // Inode tables and journal are written by mke2fs as zeros, which stay holes.
      return disk.format === 'raw' && !sparse ? disk.sizeBytes : emptyBytes + Math.ceil(disk.sizeBytes / 256);
    case 'copy': {
      const verbatim = making.sourceFormat === disk.format;
      if (verbatim && (await volumes.sharesBlocks(making.source, path))) return emptyBytes;
      return occupiedBytes(making.source);
    }
    case 'import':
      return Math.min(disk.sizeBytes, await occupiedByAll([making.source, ...making.parents]));
    case 'chain': {
      const files = making.files.map((file) => file.path);
      return files.length * emptyBytes + (await occupiedByAll(files));
    }
    case 'linked':
      return emptyBytes;
    case 'device':
      return 0;
  }
}

/**
 * Before a differencing disk is put on each disk of a VM.
 *
 * @param memoryBytes that is written beside them, into the VM's folder
 * @throws volume.below-reserve; volume.foreign and the like where this host may not write
 */
export async function requireForkRoom(
  { directory, volumes }: { readonly directory: DataDirectory; readonly volumes: Volumes },
  vm: Pick<VmSettings, 'id' | 'disks'>,
  what: string,
  memoryBytes = 0,
): Promise<void> {
  await volumes.requireVm(vm);
  await volumes.requireSpace(directory.vm(vm.id).folder, memoryBytes, what);
  for (const { path, passThrough } of vm.disks) {
    if (!passThrough) await volumes.requireSpace(directory.resolveInVm(vm.id, path), emptyBytes, what);
  }
}

async function occupiedByAll(paths: readonly string[]): Promise<number> {
  let bytes = 0;
  for (const path of paths) bytes += await occupiedBytes(path);
  return bytes;
}

/** What the files take that a clone copies. stat(2) counts blocks of 512 bytes. */
export async function occupiedBytes(path: string): Promise<number> {
  // Where one is missing, whoever reads it says so by its name.
  const found = await unlessAbsent(stat(path), null);
  return found === null ? 0 : found.blocks * 512;
}
