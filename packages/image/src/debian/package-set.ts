/**
 * A set of Debian packages, unpacked side by side into a folder of the cache. The folder appears whole or not at all:
 * it is filled under another name and renamed, and its stamp says what is in it.
 */
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import type { LongWork } from '../progress.ts';
import { type DebianPackage, downloadPackages, unpackPackage } from './apt.ts';

export interface PackageSetRequest {
  /** Where the packages' files will lie, as below `/`. */
  readonly folder: string;
  readonly roots: readonly string[];
  /** Names of dependencies that come along, in any depth. */
  readonly follow: RegExp;
  /** Fetches them again, to have the newest. */
  readonly refresh?: boolean;
}

export interface PackageSet {
  readonly folder: string;
  readonly packages: readonly DebianPackage[];
}

const stampName = 'corral-packages.json';

const Stamp = z.strictObject({
  version: z.literal(1),
  debian: z.string(),
  roots: z.array(z.string()),
  packages: z.array(z.strictObject({ name: z.string(), version: z.string() })),
});
type Stamp = z.infer<typeof Stamp>;

/** `VERSION_ID` of os-release(5): packages of another release are not mixed with this one's. */
async function debianRelease(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8');
  return /^VERSION_ID="?([^"\n]*)/m.exec(text)?.[1] ?? 'testing';
}

async function readStamp(folder: string): Promise<Stamp | undefined> {
  try {
    return Stamp.parse(JSON.parse(await readFile(join(folder, stampName), 'utf8')));
  } catch (cause) {
    // Not there yet, or of another version of Corral: the set is made anew.
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || cause instanceof z.ZodError || cause instanceof SyntaxError) return undefined;
    throw cause;
  }
}

/** What interrupted runs left beside the folder. */
async function removeParts(folder: string): Promise<void> {
  const parent = dirname(folder);
  const parts = (await readdir(parent)).filter((name) => name.startsWith(`${basename(folder)}.part-`));
  await Promise.all(parts.map((name) => rm(join(parent, name), { recursive: true, force: true })));
}

/**
 * The set as the cache has it, else downloaded and unpacked. One process at a time; the caller holds a lock.
 *
 * @throws image.packages-unavailable, image.command-missing where apt-get or dpkg-deb are not
 */
export async function ensurePackageSet(request: PackageSetRequest, work: LongWork = {}): Promise<PackageSet> {
  const { folder, roots, follow } = request;
  const debian = await debianRelease();
  const stamp = await readStamp(folder);
  if (stamp && !request.refresh && stamp.debian === debian && stamp.roots.join() === roots.join()) {
    return { folder, packages: stamp.packages };
  }
  await mkdir(dirname(folder), { recursive: true });
  await removeParts(folder);
  const part = await mkdtemp(`${folder}.part-`);
  try {
    const debs = join(part, 'debs');
    const root = join(part, 'root');
    await mkdir(debs);
    await mkdir(root);
    const packages: DebianPackage[] = [];
    for (const deb of await downloadPackages(roots, follow, debs, work)) {
      work.progress?.({ step: `unpacking ${basename(deb)}` });
      packages.push(await unpackPackage(deb, root, work.signal));
    }
    const made: Stamp = { version: 1, debian, roots: [...roots], packages };
    await writeFile(join(root, stampName), `${JSON.stringify(made, null, 2)}\n`);
    await rm(folder, { recursive: true, force: true });
    await rename(root, folder);
    return { folder, packages };
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}

/** The set as it lies in the cache; undefined if it has to be fetched first. */
export async function findPackageSet(folder: string): Promise<PackageSet | undefined> {
  const stamp = await readStamp(folder);
  return stamp && { folder, packages: stamp.packages };
}
