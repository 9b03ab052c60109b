/** What tells that nobody but Corral touched a sealed layer: its length and the time of its last modification. */
import { stat } from 'node:fs/promises';
import type { LayerSeal } from '@corral/api/schemas/vm-settings';
import { syncFile } from '@corral/disk/sync';

/**
 * Of a file that nobody writes to any more. It is synced: a power cut would else give it an older time than its seal has,
 * since fdatasync(2), which QEMU flushes with, leaves the time alone.
 *
 * @throws ENOENT and other errors of the file system
 */
export async function sealOf(path: string): Promise<LayerSeal> {
  await syncFile(path);
  return lookAt(path);
}

async function lookAt(path: string): Promise<LayerSeal> {
  const { size, mtimeNs } = await stat(path, { bigint: true });
  return { lengthBytes: Number(size), modifiedNs: String(mtimeNs) };
}

/** Why the file is not what was sealed, in words; null if it is. A layer that somebody may write to has no seal to break. */
export async function brokenSeal(path: string, seal: LayerSeal | null): Promise<string | null> {
  let found: LayerSeal;
  try {
    found = await lookAt(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return 'the file is missing';
    throw cause;
  }
  if (!seal) return null;
  if (found.lengthBytes !== seal.lengthBytes) {
    return `it is ${found.lengthBytes} bytes long, not ${seal.lengthBytes}`;
  }
  return found.modifiedNs === seal.modifiedNs ? null : 'it was modified after Corral had sealed it';
}
