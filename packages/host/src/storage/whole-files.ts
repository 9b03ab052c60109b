/**
 * Files that are there whole or not at all, and that are gone when they were removed: after a kill, and after a power
 * cut, which loses all that was not synced, names included.
 */
import { link, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFile, syncFolder } from '@corral/disk/sync';

/**
 * The file gets its name when it is whole and synced. Repeatable; a file of that name is replaced.
 *
 * @param fill makes it under the name that it is given, with its owner and mode
 * @param part that name; a folder that several hosts write to needs one for each
 */
export async function makeWhole<T>(
  path: string,
  fill: (part: string) => Promise<T>,
  part: string = partOf(path),
): Promise<T> {
  await rm(part, { force: true });
  try {
    const made = await fill(part);
    await syncFile(part);
    await rename(part, path);
    await syncFolder(dirname(path));
    return made;
  } finally {
    // rename(2) does nothing when both are names of one file already.
    await rm(part, { force: true });
  }
}

export async function writeWhole(
  path: string,
  content: string | Uint8Array,
  mode: number,
  part?: string,
): Promise<void> {
  await makeWhole(path, (name) => writeFile(name, content, { mode, flag: 'wx' }), part);
}

/** As `writeWhole`, but a file of that name stays. @returns whether there was none */
export async function writeNew(
  path: string,
  content: string | Uint8Array,
  mode: number,
  part: string,
): Promise<boolean> {
  await rm(part, { force: true });
  try {
    await writeFile(part, content, { mode, flag: 'wx', flush: true });
    return await linkNew(part, path);
  } finally {
    await rm(part, { force: true });
  }
}

/**
 * Gives a whole and synced file a second name, unless that is taken: a link, unlike a rename, replaces nothing. It is
 * atomic on NFS too.
 *
 * @returns whether the name was free
 */
export async function linkNew(part: string, path: string): Promise<boolean> {
  try {
    await link(part, path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    return false;
  }
  await syncFolder(dirname(path));
  return true;
}

/**
 * A file, with what a `makeWhole` that was killed left of it; a folder, with all that is in it; of a link, the link
 * alone. Repeatable.
 */
export async function removeWhole(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
  await rm(partOf(path), { force: true });
  await syncIfThere(dirname(path));
}

const partOf = (path: string): string => `${path}.part`;

async function syncIfThere(folder: string): Promise<void> {
  try {
    await syncFolder(folder);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
  }
}
