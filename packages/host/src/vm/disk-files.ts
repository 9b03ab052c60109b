/**
 * Makes the files of a VM's disks. They lie in a folder that belongs to root, so that a QEMU that was taken over
 * cannot put a link where root is about to write; the files themselves belong to the VM's user.
 *
 * Every call of `qemu-img` names the format (invariant 5).
 */
import { chmod, chown, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { DiskSettings } from '@corral/api/schemas/vm-settings';
import type { Progress } from '@corral/disk/disk';
import { driverOf } from '@corral/disk/drivers';
import { openForeign } from '@corral/disk/inspect-foreign';
import { convertChain } from '@corral/disk/verbs/convert-disk';
import { type CopyWay, copyDiskFile } from '@corral/image/copy/copy-disk-file';
import { z } from 'zod';
import { vmErrors } from '../errors.ts';
import { runCommand } from '../process/run-command.ts';
import { makeWhole } from '../storage/whole-files.ts';
import { copyLayer, openKeptChain } from './copy-kept-chain.ts';

const ForeignFormat = z.enum(['qcow2', 'raw', 'vhd', 'vhdx']);

/** How a disk comes into being. Paths are absolute and were checked by whoever planned it. */
export const DiskMaking = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('blank') }),
  z.strictObject({ kind: z.literal('ext4') }),
  /** Of an image, whose files Corral wrote. */
  z.strictObject({ kind: z.literal('copy'), source: z.string(), sourceFormat: z.enum(['qcow2', 'raw']) }),
  /** Of a file from elsewhere, with the parents that it proves: read by our own parsers alone (invariant 5). */
  z.strictObject({
    kind: z.literal('import'),
    source: z.string(),
    sourceFormat: ForeignFormat,
    /** Files that count for the space it takes. */
    parents: z.array(z.string()).readonly().default([]),
  }),
  /** Of such a file and its parents, named ones too, each as a layer of its own: `disk.path` and `disk.parents`. */
  z.strictObject({
    kind: z.literal('chain'),
    source: z.string(),
    sourceFormat: ForeignFormat,
    /** As they were planned for, topmost first. */
    files: z.array(z.strictObject({ path: z.string(), sizeBytes: z.int() })),
  }),
  /** A differencing disk on `DiskSettings.parents[0]`. */
  z.strictObject({ kind: z.literal('linked'), base: z.string(), baseFormat: z.enum(['qcow2', 'raw']) }),
  z.strictObject({ kind: z.literal('device') }),
]);
export type DiskMaking = z.infer<typeof DiskMaking>;

export interface MakeDiskOptions {
  readonly uid: number | null;
  readonly signal: AbortSignal;
  /** Only of work that takes long and can tell; of a chain for each of its files. */
  readonly onProgress?: (done: Progress, file?: string) => void;
}

/** How the content of a disk came into its file; null for one that has none of another. */
export type DiskWay = CopyWay | 'converted';

/** Subclusters make a small write to a differencing disk as cheap as to a full one (facts: 9 times the IOPS). */
const qcow2Options = 'cluster_size=65536,extended_l2=on,lazy_refcounts=off';
const copyLimitMs = 24 * 3600e3;

/**
 * Makes the file, whole or not at all. Repeatable: one that is there already stays.
 *
 * @returns how a copy went; null where nothing was copied
 */
export async function makeDisk(
  disk: DiskSettings,
  path: string,
  making: DiskMaking,
  options: MakeDiskOptions,
): Promise<DiskWay | null> {
  if (making.kind === 'device' || (await exists(path))) return null;
  if (making.kind === 'chain') return await makeChain(disk, path, making, options);
  return await makeFile(path, options.uid, (part) => fill(disk, part, making, options));
}

async function makeFile<T>(path: string, uid: number | null, work: (part: string) => Promise<T>): Promise<T> {
  return await makeWhole(path, async (part) => {
    const made = await work(part);
    await chmod(part, 0o600);
    if (uid !== null) await chown(part, uid, uid);
    return made;
  });
}

/** Lowest first: when the topmost is there, all are. */
async function makeChain(
  disk: DiskSettings,
  path: string,
  making: Extract<DiskMaking, { kind: 'chain' }>,
  { uid, signal, onProgress }: MakeDiskOptions,
): Promise<DiskWay> {
  await using chain = await openKeptChain(making, signal);
  const targets = [path, ...disk.parents.map((layer) => join(dirname(path), basename(layer.path)))];
  for (const [level, file] of [...making.files.entries()].toReversed()) {
    if (await exists(targets[level]!)) continue;
    await makeFile(targets[level]!, uid, (part) =>
      copyLayer(chain, level, part, {
        below: targets[level + 1] ?? null,
        sizeBytes: level === 0 ? disk.sizeBytes : file.sizeBytes,
        signal,
        onProgress: (done) => onProgress?.(done, file.path),
      }),
    );
  }
  return 'converted';
}

async function fill(
  disk: DiskSettings,
  path: string,
  making: Exclude<DiskMaking, { kind: 'chain' }>,
  options: MakeDiskOptions,
): Promise<DiskWay | null> {
  const { signal } = options;
  switch (making.kind) {
    case 'blank':
      await createBlank(disk.format, path, disk.sizeBytes, signal);
      return null;
    case 'ext4':
      await createExt4(disk, path, signal);
      return null;
    case 'copy':
      return copyDisk(disk, path, making, signal);
    case 'import':
      await importDisk(disk, path, making, options);
      return 'converted';
    case 'linked':
      await qemuImg(
        ['create', '-q', '-f', 'qcow2', '-o', qcow2Options, '-u', '-b', making.base, '-F', making.baseFormat],
        [path, String(disk.sizeBytes)],
        signal,
      );
      return null;
    case 'device':
      return null;
  }
}

async function createBlank(
  format: DiskSettings['format'],
  path: string,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<void> {
  const options = format === 'qcow2' ? ['-o', qcow2Options] : [];
  await qemuImg(['create', '-q', '-f', format, ...options], [path, String(sizeBytes)], signal);
}

/** mke2fs(8) writes into a plain file; no loop device, nothing mounted on the host. */
async function createExt4(disk: DiskSettings, path: string, signal: AbortSignal): Promise<void> {
  const plain = disk.format === 'raw' ? path : `${path}.ext4`;
  try {
    await createBlank('raw', plain, disk.sizeBytes, signal);
    await runCommand('mke2fs', ['-q', '-t', 'ext4', '-F', '-L', disk.name.slice(0, 16), plain], { signal });
    if (disk.format === 'raw') return;
    await convert(plain, 'raw', path, 'qcow2', signal);
  } finally {
    if (plain !== path) await rm(plain, { force: true });
  }
}

async function copyDisk(
  disk: DiskSettings,
  path: string,
  making: Extract<DiskMaking, { kind: 'copy' }>,
  signal: AbortSignal,
): Promise<DiskWay> {
  const way = await copyContent(disk, path, making, signal);
  await qemuImg(['resize', '-q', '-f', disk.format], [path, String(disk.sizeBytes)], signal);
  return way;
}

/** Corral wrote the file of the image itself, so its bytes can be taken as they are. */
async function copyContent(
  disk: DiskSettings,
  path: string,
  making: Extract<DiskMaking, { kind: 'copy' }>,
  signal: AbortSignal,
): Promise<DiskWay> {
  if (making.sourceFormat !== disk.format) {
    await convert(making.source, making.sourceFormat, path, disk.format, signal);
    return 'converted';
  }
  const { way } = await copyDiskFile(making.source, path, { signal });
  await chmod(path, 0o600);
  return way;
}

async function importDisk(
  disk: DiskSettings,
  path: string,
  making: Extract<DiskMaking, { kind: 'import' }>,
  { signal, onProgress }: MakeDiskOptions,
): Promise<void> {
  const { source, sourceFormat } = making;
  await using chain = await openForeign(source, { format: sourceFormat, provedParents: true, signal });
  const { format } = disk;
  const { sizeBytes } = await convertChain(chain, path, {
    format,
    extendedL2: format === 'qcow2',
    signal,
    onProgress,
  });
  if (sizeBytes < disk.sizeBytes) await driverOf(format).resize(path, disk.sizeBytes, { signal });
}

function convert(
  source: string,
  sourceFormat: string,
  target: string,
  format: string,
  signal: AbortSignal,
): Promise<void> {
  const options = format === 'qcow2' ? ['-o', qcow2Options] : [];
  return qemuImg(['convert', '-q', '-f', sourceFormat, '-O', format, ...options], [source, target], signal);
}

/** `--` is not understood by all of its commands; paths are absolute, so none looks like an option. */
async function qemuImg(
  options: readonly string[],
  paths: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  await runCommand('qemu-img', [...options, ...paths], { signal, limitMs: copyLimitMs });
}

export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw cause;
  }
}

/** @throws vm.file-missing */
export async function requireFile(vm: string, what: string, path: string): Promise<void> {
  if (!(await exists(path))) throw vmErrors['file-missing']({ vm, what, path });
}
