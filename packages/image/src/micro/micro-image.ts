/**
 * Builds the `micro` image: Debian's cloud kernel and an initramfs with busybox, the virtio drivers and QEMU's guest
 * agent. It runs from memory and boots in seconds without acceleration (docs/formats/micro-image.md).
 */
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DebianPackage } from '../debian/apt.ts';
import { ensurePackageSet, type PackageSet, type PackageSetRequest } from '../debian/package-set.ts';
import { guestPackages } from '../debian/package-sets.ts';
import { imageErrors } from '../errors.ts';
import type { LongWork } from '../progress.ts';
import { type ArchiveEntry, packTree, writeTree } from './archive.ts';
import { findLibraries, libraryFolder, loaderPath } from './libraries.ts';
import { collectModules } from './modules.ts';

/** What the kernel is told: a serial console, and no messages there but the guest's own. */
export const microCommandLine = 'console=ttyS0 quiet';

const guestRoot = fileURLToPath(new URL('guest-root', import.meta.url));

export interface MicroImageOptions extends LongWork {
  readonly cacheDirectory: string;
  /** An existing folder; `vmlinuz` and `initrd` are written there. */
  readonly target: string;
  /** What it holds beside what every micro image has. */
  readonly extra?: MicroExtra;
}

export interface MicroExtra {
  /** Kernel modules, by name. */
  readonly modules: readonly string[];
  /** Programs, as paths in `packages`. */
  readonly programs: readonly string[];
  readonly packages: PackageSetRequest;
}

export interface MicroImage {
  readonly kernel: 'vmlinuz';
  readonly initrd: 'initrd';
  readonly cmdline: string;
  readonly kernelVersion: string;
  /** What it was made from. */
  readonly packages: readonly DebianPackage[];
  /** Kernel and initramfs together. */
  readonly sizeBytes: number;
  /** Of the kernel and the initramfs, one after the other. */
  readonly sha256: string;
}

/** Finds files in the unpacked packages, which keep them with and without /usr, by release. */
class PackageTree {
  readonly roots: readonly string[];

  constructor(roots: readonly string[]) {
    this.roots = roots;
  }

  /** @throws image.packages-incomplete */
  readonly find = async (paths: readonly string[]): Promise<string> => {
    for (const place of this.roots.flatMap((root) => paths.map((path) => join(root, path)))) {
      const found = await stat(place).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code === 'ENOENT') return undefined;
        throw cause;
      });
      if (found) return place;
    }
    throw this.incomplete(paths[0]!);
  };

  async kernelVersion(): Promise<string> {
    const names = await readdir(await this.find(['boot']));
    const kernels = names.filter((name) => name.startsWith('vmlinuz-'));
    if (kernels.length === 1) return kernels[0]!.slice('vmlinuz-'.length);
    throw this.incomplete('boot/vmlinuz-VERSION');
  }

  incomplete(missing: string): Error {
    return imageErrors['packages-incomplete']({ folder: this.roots.join(', '), missing });
  }
}

async function file(path: string, source: string, executable: boolean): Promise<ArchiveEntry> {
  return { kind: 'file', path, content: await readFile(source), executable };
}

/** The scripts and settings that Corral brings. */
async function ownFiles(): Promise<readonly ArchiveEntry[]> {
  const entries = await readdir(guestRoot, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return Promise.all(
    files.map(async ({ parentPath, name }) => {
      const source = join(parentPath, name);
      const executable = ((await stat(source)).mode & 0o100) !== 0;
      return file(source.slice(guestRoot.length + 1), source, executable);
    }),
  );
}

/** @param extra paths of more programs */
async function programs(
  tree: PackageTree,
  extra: readonly string[],
  signal?: AbortSignal,
): Promise<readonly ArchiveEntry[]> {
  const linked = new Map([['usr/sbin/qemu-ga', await tree.find(['usr/sbin/qemu-ga', 'usr/bin/qemu-ga'])]]);
  for (const path of extra) linked.set(path, await tree.find([path, `usr/${path}`]));
  const libraries = new Map<string, string>();
  for (const program of linked.values()) {
    const found = await findLibraries(tree.roots, program, tree.find, signal);
    libraries.set(loaderPath, found.loader);
    for (const [name, path] of found.libraries) libraries.set(`${libraryFolder}/${name}`, path);
  }
  return Promise.all([
    file('bin/busybox', await tree.find(['bin/busybox', 'usr/bin/busybox']), true),
    file('etc/qemu/fsfreeze-hook', await tree.find(['etc/qemu/fsfreeze-hook']), true),
    ...[...linked].map(([path, source]) => file(path, source, true)),
    ...[...libraries].map(([path, source]) => file(path, source, path === loaderPath)),
  ]);
}

async function moduleFiles(
  tree: PackageTree,
  version: string,
  extra: readonly string[],
  signal?: AbortSignal,
): Promise<readonly ArchiveEntry[]> {
  const folder = await tree.find([`lib/modules/${version}`, `usr/lib/modules/${version}`]);
  const { modules, indexes } = await collectModules(folder, extra, signal);
  const place = `lib/modules/${version}`;
  return [
    ...[...modules.values()].map(({ path, content }) => [path, content] as const),
    ...[...indexes].map(([name, text]) => [name, Buffer.from(text)] as const),
  ].map(([path, content]) => ({ kind: 'file', path: `${place}/${path}`, content, executable: false }));
}

async function buildInitramfs(entries: readonly ArchiveEntry[], signal?: AbortSignal): Promise<Buffer> {
  const scratch = await mkdtemp(join(tmpdir(), 'corral-micro-'));
  try {
    const root = join(scratch, 'root');
    await mkdir(root);
    await writeTree(root, entries);
    return await packTree(root, scratch, signal);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** @throws image.packages-unavailable, image.command-missing */
export async function microPackages(
  cacheDirectory: string,
  extra: MicroExtra | undefined,
  work: LongWork,
): Promise<readonly PackageSet[]> {
  const sets = [await ensurePackageSet(guestPackages(cacheDirectory), work)];
  if (extra) sets.push(await ensurePackageSet(extra.packages, work));
  return sets;
}

/** @throws image.packages-unavailable, image.packages-incomplete, image.command-missing */
export async function buildMicroImage(options: MicroImageOptions): Promise<MicroImage> {
  const { cacheDirectory, target, signal, progress, extra } = options;
  const sets = await microPackages(cacheDirectory, extra, { signal, progress });
  const tree = new PackageTree(sets.map(({ folder }) => folder));
  const kernelVersion = await tree.kernelVersion();
  progress?.({ step: `packing the initramfs for Linux ${kernelVersion}` });
  const initrd = await buildInitramfs(
    [
      ...(await ownFiles()),
      ...(await programs(tree, extra?.programs ?? [], signal)),
      ...(await moduleFiles(tree, kernelVersion, extra?.modules ?? [], signal)),
    ],
    signal,
  );
  const kernel = await tree.find([`boot/vmlinuz-${kernelVersion}`]);
  await copyFile(kernel, join(target, 'vmlinuz'));
  await writeFile(join(target, 'initrd'), initrd);
  const kernelBytes = await readFile(kernel);
  return {
    kernel: 'vmlinuz',
    initrd: 'initrd',
    cmdline: microCommandLine,
    kernelVersion,
    packages: sets.flatMap(({ packages }) => packages),
    sizeBytes: kernelBytes.length + initrd.length,
    sha256: createHash('sha256').update(kernelBytes).update(initrd).digest('hex'),
  };
}
