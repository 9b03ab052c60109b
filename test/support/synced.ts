/** What a test makes by itself counts as lying on the disk for long: a power cut is to lose only what Corral did not sync. */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFile, syncFolder, syncTree } from '@corral/disk/sync';

/** A file, or a folder with all that is in it. */
export async function synced(path: string): Promise<void> {
  const isFolder = (await stat(path)).isDirectory();
  await (isFolder ? syncTree(path) : syncFile(path));
  await syncFolder(dirname(path));
}
