/**
 * Looks at a folder from which a VM shall be registered: an export, or the folder of a VM whose host is gone
 * (docs/formats/checkpoint.md). What lies there may come from anywhere, so every file is looked at by our own parsers
 * before any other program opens it (invariant 5), and no link and no path leads out of the folder.
 */
import { lstat, readdir, readFile, realpath } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { DiskLayer, DiskSettings, VmSettings } from '@corral/api/schemas/vm-settings';
import { isCorralError } from '@corral/core/errors';
import { isId } from '@corral/core/ids';
import { openLayer } from '@corral/disk/drivers';
import { type Chain, chainOf } from '../chain/chain.ts';
import { CheckpointFile } from '../checkpoint/checkpoint-files.ts';
import { vmErrors } from '../errors.ts';
import { exists } from '../vm/disk-files.ts';
import { readSettingsFile } from '../vm/settings-file.ts';
import { ExportFile, type ExportFormat, exportFileName } from './export-file.ts';

/** A file that is not as the settings say. */
export interface FileProblem {
  /** `disk data`, `kernel`. */
  readonly what: string;
  readonly path: string;
  readonly reason: string;
}

/** A disk in a format that no VM runs on. */
export interface DiskToConvert {
  readonly disk: string;
  /** Both relative to the folder. */
  readonly from: string;
  readonly format: ExportFormat;
  readonly to: string;
}

export interface Registrable {
  /** Without symbolic links. */
  readonly directory: string;
  readonly settings: VmSettings;
  /** Null for the folder of a VM. */
  readonly export: ExportFile | null;
  readonly checkpoints: readonly CheckpointFile[];
  readonly toConvert: readonly DiskToConvert[];
  /** There is memory of a VM that was saved. */
  readonly savedMemory: boolean;
  readonly problems: readonly FileProblem[];
  /** Differential exports that continue it, without symbolic links. */
  readonly differentials: readonly string[];
}

/** @throws vm.nothing-to-register, vm.settings-damaged */
export async function readRegistrable(path: string): Promise<Registrable> {
  if (!(await exists(join(path, 'vm.json')))) throw vmErrors['nothing-to-register']({ path });
  const directory = await realpath(path);
  const settings = await readSettingsFile(join(directory, 'vm.json'));
  const exported = (await exists(join(directory, exportFileName)))
    ? await readJson(join(directory, exportFileName), (json) => ExportFile.parse(json))
    : null;
  const checkpoints = await readCheckpoints(directory);
  const toConvert = conversionsOf(settings, exported);
  const all = [settings, ...checkpoints.map(({ checkpoint }) => checkpoint.settings)];
  return {
    directory,
    settings,
    export: exported,
    checkpoints,
    toConvert,
    savedMemory: await exists(join(directory, 'saved-memory')),
    differentials: [],
    problems: [
      ...(await layerProblems(directory, all, toConvert)),
      ...(await conversionProblems(directory, toConvert)),
      ...(await bootProblems(directory, all)),
      ...deviceProblems(all),
    ],
  };
}

async function readCheckpoints(directory: string): Promise<CheckpointFile[]> {
  const folder = join(directory, 'checkpoints');
  if (!(await exists(folder))) return [];
  const files: CheckpointFile[] = [];
  for (const id of (await readdir(folder)).sort()) {
    const path = join(folder, id, 'checkpoint.json');
    // One that was being taken when its host went has none, and is no checkpoint.
    if (!(await exists(path))) continue;
    const file = await readJson(path, (json) => CheckpointFile.parse(json));
    // Ids become names of folders.
    if (!isId(id) || file.checkpoint.id !== id) {
      throw vmErrors['settings-damaged']({ path, reason: 'it has the id of another folder' });
    }
    files.push(file);
  }
  return files;
}

/** @throws vm.settings-damaged */
async function readJson<T>(path: string, parse: (json: unknown) => T): Promise<T> {
  try {
    return parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    throw vmErrors['settings-damaged']({ path, reason: (cause as Error).message }, { cause });
  }
}

function conversionsOf(settings: VmSettings, exported: ExportFile | null): DiskToConvert[] {
  return (exported?.disks ?? []).flatMap(({ name, format, path }) => {
    const disk = settings.disks.find((each) => each.name === name);
    return disk && (format === 'vhd' || format === 'vhdx')
      ? [{ disk: name, from: path, format, to: disk.path }]
      : [];
  });
}

/** Each file once, though several chains hold it. */
async function layerProblems(
  directory: string,
  all: readonly VmSettings[],
  toConvert: readonly DiskToConvert[],
): Promise<FileProblem[]> {
  const layers = new Map<string, { readonly disk: DiskSettings; readonly layer: DiskLayer }>();
  for (const disk of all.flatMap(({ disks }) => disks)) {
    const chain: Chain = disk.passThrough ? [] : chainOf(disk);
    for (const layer of chain) layers.set(layer.path, { disk, layer });
  }
  const problems: FileProblem[] = [];
  for (const [path, { disk, layer }] of layers) {
    if (toConvert.some(({ to }) => to === path)) continue;
    const reason = (await whyNotInside(directory, path)) ?? (await whyNotDisk(directory, path, layer.format));
    if (reason !== null) problems.push({ what: `disk ${disk.name}`, path, reason });
  }
  return problems;
}

async function conversionProblems(
  directory: string,
  toConvert: readonly DiskToConvert[],
): Promise<FileProblem[]> {
  const problems: FileProblem[] = [];
  for (const { disk, from, format } of toConvert) {
    const reason = (await whyNotInside(directory, from)) ?? (await whyNotDisk(directory, from, format));
    if (reason !== null) problems.push({ what: `disk ${disk}`, path: from, reason });
  }
  return problems;
}

async function bootProblems(directory: string, all: readonly VmSettings[]): Promise<FileProblem[]> {
  const files = new Map<string, string>();
  for (const { kernel, seed } of all) {
    if (kernel) files.set(kernel.kernel, 'kernel');
    if (kernel?.initrd) files.set(kernel.initrd, 'initrd');
    if (seed) files.set(seed, 'cloud-init seed');
  }
  const problems: FileProblem[] = [];
  for (const [path, what] of files) {
    const reason = await whyNotInside(directory, path);
    if (reason !== null) problems.push({ what, path, reason });
  }
  return problems;
}

/** Which device of this host that would be, a file from elsewhere must not decide. */
function deviceProblems(all: readonly VmSettings[]): FileProblem[] {
  const devices = all.flatMap(({ disks }) => disks).filter(({ passThrough }) => passThrough);
  return [...new Map(devices.map((disk) => [disk.path, disk])).values()].map(({ name, path }) => ({
    what: `disk ${name}`,
    path,
    reason: 'it is a device of its old host; take it out of vm.json, and add it to the VM afterwards',
  }));
}

/** A plain file below the folder; null if it is one. */
async function whyNotInside(directory: string, path: string): Promise<string | null> {
  const file = join(directory, path);
  if (path.startsWith('/') || relative(directory, file).startsWith('..'))
    return 'it lies outside of the folder';
  try {
    if ((await realpath(file)) !== file) return 'a symbolic link leads to it';
    const found = await lstat(file);
    if (!found.isFile()) return 'it is no plain file';
    return found.nlink > 1 ? 'the file has another name elsewhere' : null;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return 'the file is missing';
    throw cause;
  }
}

async function whyNotDisk(directory: string, path: string, format: ExportFormat): Promise<string | null> {
  try {
    const disk = await openLayer(join(directory, path), { format, readOnly: true });
    await disk.close();
    return null;
  } catch (cause) {
    if (!isCorralError(cause)) throw cause;
    return cause.message;
  }
}
