/** Which disks in a folder rest on a given one. A link leads from child to parent only, so the folder is searched. */
import { readdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isCorralError } from '@corral/core/errors';
import type { Disk, SignalOptions } from './disk.ts';
import { openLayer, probeFormat } from './drivers.ts';
import { parentCandidates } from './parent-path.ts';

/** A folder with more files is no folder of disks; searching it would take longer than the work it guards. */
const maxFiles = 4096;

/** Paths of disks beside `parent`, and in `folders`, whose link leads to it. */
export async function findChildren(
  parent: string,
  folders: readonly string[],
  options: SignalOptions = {},
): Promise<readonly string[]> {
  const wanted = await realpath(parent);
  const found = new Set<string>();
  for (const folder of new Set([dirname(wanted), ...folders])) {
    const entries = await readdir(folder, { withFileTypes: true });
    for (const entry of entries.slice(0, maxFiles)) {
      const path = join(folder, entry.name);
      options.signal?.throwIfAborted();
      if (entry.isFile() && path !== wanted && (await restsOn(path, wanted, options))) found.add(path);
    }
  }
  return [...found];
}

async function restsOn(path: string, parent: string, options: SignalOptions): Promise<boolean> {
  const disk = await openIfDisk(path, options);
  await using _ = disk;
  const link = disk?.info.parent;
  return link !== undefined && parentCandidates(path, link, []).includes(parent);
}

async function openIfDisk(path: string, options: SignalOptions): Promise<Disk | undefined> {
  try {
    const format = await probeFormat(path, options);
    return format === 'raw' ? undefined : await openLayer(path, { ...options, format, readOnly: true });
  } catch (cause) {
    // A file that cannot be opened as a disk rests on nothing.
    if (isCorralError(cause)) return undefined;
    throw cause;
  }
}
