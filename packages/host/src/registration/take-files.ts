/** Brings the files of a VM to where this host has its VMs, or leaves them where they lie. */
import { chmod, chown, constants, mkdir, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import { copyDiskFile } from '@corral/image/copy/copy-disk-file';
import { chainOf } from '../chain/chain.ts';
import { makeWhole, removeWhole } from '../storage/whole-files.ts';
import { exists, makeDisk } from '../vm/disk-files.ts';
import type { VmHost } from '../vm/vm-host.ts';
import { exportFileName } from './export-file.ts';
import type { DiskToConvert } from './read-registrable.ts';

/** What belongs to a VM in its folder; its settings and `log` are made anew. */
const parts = ['disks', 'boot', 'checkpoints', 'tpm', 'firmware-variables.fd', 'saved-memory'];

/** Whole or not at all is the operation's undo. Repeatable: a file that is there is taken as copied only when it is done. */
export async function copyVmFiles(
  from: string,
  to: string,
  signal: AbortSignal,
  progress: (file: string) => void,
): Promise<void> {
  for (const part of parts) {
    if (await exists(join(from, part))) await copyTree(join(from, part), join(to, part), signal, progress);
  }
}

async function copyTree(
  from: string,
  to: string,
  signal: AbortSignal,
  progress: (file: string) => void,
): Promise<void> {
  const entries = await readdir(from, { withFileTypes: true }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOTDIR') return null;
    throw cause;
  });
  if (entries === null) return copyOne(from, to, signal, progress);
  await mkdir(to, { recursive: true, mode: 0o700 });
  for (const entry of entries) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await copyTree(source, target, signal, progress);
    // Links and the like are nothing that a VM has.
    else if (entry.isFile()) await copyOne(source, target, signal, progress);
  }
}

async function copyOne(
  from: string,
  to: string,
  signal: AbortSignal,
  progress: (file: string) => void,
): Promise<void> {
  progress(from);
  await makeWhole(to, async (part) => {
    await copyDiskFile(from, part, { signal });
    await chmod(part, 0o600);
  });
}

/** Disks that no VM runs on become qcow2. Repeatable. */
export async function convertDisks(
  host: VmHost,
  settings: VmSettings,
  toConvert: readonly DiskToConvert[],
  uid: number | null,
  signal: AbortSignal,
): Promise<void> {
  for (const { disk: name, from, format } of toConvert) {
    const disk = settings.disks.find((each) => each.name === name)!;
    const source = host.directory.resolveInVm(settings.id, from);
    const making = { kind: 'import', source, sourceFormat: format, parents: [] } as const;
    await makeDisk(disk, host.directory.resolveInVm(settings.id, disk.path), making, { uid, signal });
  }
}

/** The VM's user gets what its QEMU opens, and nothing else. */
export async function giveToUser(
  host: VmHost,
  all: readonly VmSettings[],
  uid: number | null,
): Promise<void> {
  const [{ id }] = all as [VmSettings];
  const paths = host.directory.vm(id);
  const files = all.flatMap(({ disks }) => disks.flatMap((disk) => chainOf(disk))).map(({ path }) => path);
  for (const path of new Set(files)) await own(host.directory.resolveInVm(id, path), uid);
  if (await exists(paths.firmwareVariables)) await own(paths.firmwareVariables, uid);
  for (const path of bootFilesOf(all)) {
    const file = host.directory.resolveInVm(id, path);
    await give(file, 0o640, uid === null ? null : { uid: 0, gid: uid });
  }
  if (await exists(paths.tpm)) await ownTree(paths.tpm, uid);
}

function bootFilesOf(all: readonly VmSettings[]): Set<string> {
  const paths = all.flatMap(({ kernel, seed }) => [kernel?.kernel, kernel?.initrd, seed]);
  return new Set(paths.filter((path) => path !== null && path !== undefined));
}

async function own(file: string, uid: number | null): Promise<void> {
  await give(file, 0o600, uid === null ? null : { uid, gid: uid });
}

/** Never through a link: the folder may be somebody's who puts one in place of a file that was looked at. */
async function give(
  file: string,
  mode: number,
  owner: { readonly uid: number; readonly gid: number } | null,
): Promise<void> {
  await using handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  await handle.chmod(mode);
  if (owner) await handle.chown(owner.uid, owner.gid);
}

async function ownTree(folder: string, uid: number | null): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await ownTree(join(folder, entry.name), uid);
    else if (entry.isFile()) await own(join(folder, entry.name), uid);
  }
  if (uid !== null) await chown(folder, uid, uid);
}

/** What only the export needed, when it lies in place: its mark, and the disks that were converted. Repeatable. */
export async function removeExportParts(folder: string, toConvert: readonly DiskToConvert[]): Promise<void> {
  await removeWhole(join(folder, exportFileName));
  for (const { from } of toConvert) await removeWhole(join(folder, from));
}
