/**
 * The file of a layer as QEMU has to open it. Direct I/O where the file system has it: a merge or a flush through the
 * page cache stalls every disk of the guest until all of it is written out.
 */
import { constants, open } from 'node:fs/promises';
import type { DiskLayer } from '@corral/api/schemas/vm-settings';
import type { DataDirectory } from '../data-directory.ts';

export interface LayerFile {
  /** Relative to QEMU's working directory where it lies below it. */
  readonly path: string;
  readonly direct: boolean;
}

export async function layerFile(directory: DataDirectory, vmId: string, path: string): Promise<LayerFile> {
  const absolute = directory.resolveInVm(vmId, path);
  return { path: directory.forQemu(absolute), direct: await takesDirectIo(absolute) };
}

export function layerFiles(
  directory: DataDirectory,
  vmId: string,
  layers: readonly Pick<DiskLayer, 'path'>[],
): Promise<LayerFile[]> {
  return Promise.all(layers.map(({ path }) => layerFile(directory, vmId, path)));
}

/** Whether the file can be opened with O_DIRECT (open(2): a file system without it says EINVAL, a socket ENXIO). */
async function takesDirectIo(path: string): Promise<boolean> {
  try {
    await using _file = await open(path, constants.O_RDONLY | constants.O_DIRECT);
    return true;
  } catch (cause) {
    if (['EINVAL', 'ENXIO'].includes((cause as NodeJS.ErrnoException).code ?? '')) return false;
    throw cause;
  }
}
