/** Barriers for names: a file that was made, renamed or removed is there, or gone, after a power cut. */
import { open } from 'node:fs/promises';

export async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync();
}
