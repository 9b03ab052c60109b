/** One disk of a backup into a file: sparse, whole or not at all, and told how far it is. */
import { chmod, chown } from 'node:fs/promises';
import type { DiskSettings } from '@corral/api/schemas/vm-settings';
import type { Disk, DiskFormat } from '@corral/disk/disk';
import { driverOf } from '@corral/disk/drivers';
import type { Progress } from '@corral/operation/operation';
import { makeWhole } from '../storage/whole-files.ts';
import { exists } from '../vm/disk-files.ts';
import type { OpenSource, RestoreHost } from './restore-host.ts';

export interface RestoredDisk {
  /** In the backup. */
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly format: DiskFormat;
}

export interface WriteOptions {
  /** Whose the file becomes; null: the daemon's user's. */
  readonly uid: number | null;
  readonly signal: AbortSignal;
  readonly onProgress: (writtenBytes: number) => void;
}

/** Repeatable: a file that is there is whole. @throws repository.object-damaged, repository.blob-missing, disk.* */
export async function writeRestoredDisk(
  { repository, held }: OpenSource,
  { name, path, format }: RestoredDisk,
  { uid, signal, onProgress }: WriteOptions,
): Promise<void> {
  if (await exists(path)) return;
  const { sizeBytes } = held.disk(name);
  await makeWhole(path, async (part) => {
    const target = await driverOf(format).create(part, {
      sizeBytes: roundToSector(sizeBytes, format),
      extendedL2: format === 'qcow2' ? true : undefined,
      scratch: true,
      signal,
    });
    try {
      await repository.restore(held.reader, name, sinkOf(target), { signal, onProgress });
    } finally {
      await target.close();
    }
    await chmod(part, 0o600);
    if (uid !== null) await chown(part, uid, uid);
  });
}

/** What the file held before is nothing: zeros need not be written. */
function sinkOf(target: Disk): { write(offset: number, data: Buffer): Promise<void> } {
  return { write: (offset, data) => target.write(data, offset) };
}

const sectorBytes = 512;

function roundToSector(bytes: number, format: DiskFormat): number {
  return format === 'raw' ? bytes : Math.ceil(bytes / sectorBytes) * sectorBytes;
}

export interface DisksOfVm {
  readonly vm: { readonly id: string; readonly name: string };
  readonly disks: readonly Pick<DiskSettings, 'name' | 'format' | 'path'>[];
  readonly uid: number | null;
}

/** All disks of a VM, when there is room for them. @returns bytes written. @throws volume.below-reserve */
export async function writeDisksOfVm(
  { host }: RestoreHost,
  open: OpenSource,
  { vm, disks, uid }: DisksOfVm,
  { progress, signal }: { readonly progress: (progress: Progress) => void; readonly signal: AbortSignal },
): Promise<number> {
  let total = 0;
  for (const { name } of disks) total += await open.held.disk(name).dataBytes(signal);
  await host.volumes.requireSpace(host.directory.vm(vm.id).folder, total, `Restoring VM ${vm.name}`);
  let before = 0;
  for (const { format, name, path } of disks) {
    let written = 0;
    const target = { name, format, path: host.directory.resolveInVm(vm.id, path) };
    const onProgress = (bytes: number): void => {
      written = bytes;
      progress({ done: before + bytes, total, unit: 'bytes', message: `disk ${name}` });
    };
    await writeRestoredDisk(open, target, { uid, signal, onProgress });
    before += written;
  }
  return before;
}
