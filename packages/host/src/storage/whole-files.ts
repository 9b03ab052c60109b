/**
 * Files that are there whole or not at all, and that are gone when they were removed: after a kill, and after a power
 * cut, which loses all that was not synced, names included.
 */
import { rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFile, syncFolder } from '@corral/disk/sync';

/**
 * The file gets its name when it is whole and synced. Repeatable; a file of that name is replaced.
 *
 * @param fill makes it under the name that it is given, with its owner and mode
 */
export async function makeWhole<T>(path: string, fill: (part: string) => Promise<T>): Promise<T> {
  const part = partOf(path);
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

export async function writeWhole(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  await makeWhole(path, (part) => writeFile(part, content, { mode, flag: 'wx' }));
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
