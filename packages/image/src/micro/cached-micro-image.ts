/** The micro image in the cache, built again when its packages or its recipe changed: for tests, trials and copies. */
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { ntfsPackages } from '../debian/package-sets.ts';
import type { LongWork } from '../progress.ts';
import { buildMicroImage, type MicroExtra, type MicroImage, microPackages } from './micro-image.ts';

const recipeFolder = fileURLToPath(new URL('.', import.meta.url));
const stampName = 'micro.json';

const Stamp = z.strictObject({
  version: z.literal(1),
  key: z.string(),
  image: z.strictObject({
    kernel: z.literal('vmlinuz'),
    initrd: z.literal('initrd'),
    cmdline: z.string(),
    kernelVersion: z.string(),
    packages: z.array(z.strictObject({ name: z.string(), version: z.string() })),
    sizeBytes: z.int(),
    sha256: z.string(),
  }),
});

export interface CachedMicroImage extends MicroImage {
  readonly folder: string;
}

/** Of everything that the image is made of: the versions of its packages and the files of this folder. */
async function recipeKey(packages: MicroImage['packages']): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(packages));
  const entries = await readdir(recipeFolder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  for (const path of paths.toSorted()) {
    if (!path.endsWith('.test.ts')) hash.update(path.slice(recipeFolder.length)).update(await readFile(path));
  }
  return hash.digest('hex');
}

/** The same system with more in it. */
export interface MicroVariant {
  /** Of its folder in the cache. */
  readonly name: string;
  readonly extra: (cacheDirectory: string) => MicroExtra;
}

const plainName = 'micro';

/** Reads file systems of other systems. Debian's cloud kernel has no driver for NTFS: a program of its own reads it. */
export const fileHelper: MicroVariant = {
  name: 'file-helper',
  extra: (cacheDirectory) => ({
    modules: ['xfs', 'fuse'],
    programs: ['bin/ntfs-3g'],
    packages: ntfsPackages(cacheDirectory),
  }),
};

const folderOf = (cacheDirectory: string, name = plainName): string => join(cacheDirectory, name);

async function readStamp(folder: string): Promise<z.infer<typeof Stamp> | undefined> {
  try {
    return Stamp.parse(JSON.parse(await readFile(join(folder, stampName), 'utf8')));
  } catch (cause) {
    // Not there yet, or of another version of Corral: it is built anew.
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || cause instanceof z.ZodError || cause instanceof SyntaxError) return undefined;
    throw cause;
  }
}

/** What lies in the cache, fresh or not; undefined if nothing does. */
export async function findCachedMicroImage(cacheDirectory: string): Promise<CachedMicroImage | undefined> {
  const folder = folderOf(cacheDirectory);
  const stamp = await readStamp(folder);
  return stamp && { folder, ...stamp.image };
}

/** @throws as `buildMicroImage` */
export async function cachedMicroImage(
  cacheDirectory: string,
  work: LongWork = {},
  variant?: MicroVariant,
): Promise<CachedMicroImage> {
  const folder = folderOf(cacheDirectory, variant?.name);
  const extra = variant?.extra(cacheDirectory);
  const sets = await microPackages(cacheDirectory, extra, work);
  const recipe = await recipeKey(sets.flatMap(({ packages }) => packages));
  const key = [recipe, ...(extra ? [...extra.modules, ...extra.programs] : [])].join(' ');
  const stamp = await readStamp(folder);
  if (stamp?.key === key) return { folder, ...stamp.image };
  await mkdir(dirname(folder), { recursive: true });
  const part = await mkdtemp(`${folder}.part-`);
  try {
    const image = await buildMicroImage({ cacheDirectory, target: part, ...(extra && { extra }), ...work });
    await writeFile(join(part, stampName), `${JSON.stringify({ version: 1, key, image }, null, 2)}\n`);
    // A QEMU under a user of its own reads it.
    await chmod(part, 0o755);
    await rm(folder, { recursive: true, force: true });
    await rename(part, folder);
    return { folder, ...image };
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}
