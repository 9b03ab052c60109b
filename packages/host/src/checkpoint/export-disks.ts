/** The disks of a checkpoint as files of an export: their chain as it is, or flat and in any format. */
import { chmod } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { DiskLayer, DiskSettings } from '@corral/api/schemas/vm-settings';
import type { ChainLayer } from '@corral/disk/chain';
import { ChainDisk } from '@corral/disk/chain-disk';
import { openLayer } from '@corral/disk/drivers';
import { convertChain } from '@corral/disk/verbs/convert-disk';
import { copyDiskFile } from '@corral/image/copy/copy-disk-file';
import type { Chain } from '../chain/chain.ts';
import type { DataDirectory } from '../data-directory.ts';
import { runCommand } from '../process/run-command.ts';
import type { ExportFormat } from '../registration/export-file.ts';
import { exists } from '../vm/disk-files.ts';

export interface ExportedDisk {
  /** As the VM has it there; paths are relative to the export. */
  readonly disk: DiskSettings;
  readonly format: ExportFormat;
  readonly path: string;
}

export interface DiskToExport {
  readonly vmId: string;
  readonly disk: DiskSettings;
  /** As the records have it: no header is followed (invariant 9). */
  readonly chain: Chain;
}

export interface ExportDiskOptions {
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly progress: (doneBytes: number, totalBytes: number) => void;
}

/** One file with all of the content. */
export async function exportFlat(
  directory: DataDirectory,
  { vmId, disk, chain }: DiskToExport,
  format: ExportFormat,
  options: ExportDiskOptions,
): Promise<ExportedDisk> {
  const path = `disks/${disk.name}.${format}`;
  const target = join(options.folder, path);
  if (!(await exists(target))) {
    await using content = await openRecorded(directory, vmId, chain, options.signal);
    await convertChain(content, target, {
      format,
      ...(format === 'qcow2' ? { extendedL2: true } : {}),
      signal: options.signal,
      onProgress: ({ doneBytes, totalBytes }) => options.progress(doneBytes, totalBytes),
    });
    await chmod(target, 0o600);
  }
  // QEMU runs a VM on qcow2 and raw; a disk of another format is converted when it is registered.
  const runs = format === 'raw' ? 'raw' : 'qcow2';
  return { disk: { ...disk, format: runs, path: `disks/${disk.name}.${runs}`, parents: [] }, format, path };
}

async function openRecorded(
  directory: DataDirectory,
  vmId: string,
  chain: Chain,
  signal: AbortSignal,
): Promise<ChainDisk> {
  const layers: ChainLayer[] = [];
  try {
    for (const { path, format } of chain) {
      const file = directory.resolveInVm(vmId, path);
      layers.push({ path: file, disk: await openLayer(file, { format, readOnly: true, signal }) });
    }
    return new ChainDisk(layers);
  } catch (cause) {
    for (const { disk } of layers) await disk.close();
    throw cause;
  }
}

/** Each file of the chain, lowest first, with headers that name each other for programs other than Corral. */
export async function exportChain(
  directory: DataDirectory,
  { vmId, disk, chain }: DiskToExport,
  options: ExportDiskOptions,
): Promise<ExportedDisk> {
  const layers: DiskLayer[] = [];
  for (const [index, layer] of chain.toReversed().entries()) {
    const path = `disks/${disk.name}.${index}.${layer.format}`;
    const target = join(options.folder, path);
    const below = layers[0];
    if (!(await exists(target))) {
      await copyDiskFile(directory.resolveInVm(vmId, layer.path), target, { signal: options.signal });
      await chmod(target, 0o600);
      if (below) await nameParent(target, layer, below, options);
    }
    layers.unshift({ ...layer, path, shared: false, seal: null });
    options.progress(index + 1, chain.length);
  }
  const [top, ...parents] = layers;
  const exported = { ...disk, layerId: top!.id, format: top!.format, path: top!.path, parents };
  return { disk: exported, format: top!.format, path: top!.path };
}

async function nameParent(
  target: string,
  { format }: DiskLayer,
  below: DiskLayer,
  { signal }: ExportDiskOptions,
): Promise<void> {
  if (format !== 'qcow2') return;
  const parent = ['-b', basename(below.path), '-F', below.format];
  await runCommand('qemu-img', ['rebase', '-u', '-f', 'qcow2', ...parent, target], { signal });
}
