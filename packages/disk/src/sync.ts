/** Barriers: what was written, made, renamed or removed is so after a power cut too. */
import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** The content of a file, whoever wrote it. */
export async function syncFile(path: string): Promise<void> {
  await using file = await open(path, 'r');
  await file.sync();
}

/** The names in a folder. Nothing else is opened: a FIFO in its place would make one wait for ever. */
export async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await folder.sync();
}

/** A folder with all that is in it; links are not followed. */
export async function syncTree(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const below = join(path, entry.name);
    if (entry.isDirectory()) await syncTree(below);
    else if (entry.isFile()) await syncFile(below);
  }
  await syncFolder(path);
}
