/** What the volume of a new file can hold, found out before the work begins. */
import { open, statfs, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { diskErrors } from './errors.ts';

/** statfs(2) type → name, for messages. */
const fileSystems: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'XFS'],
  [0x9123683e, 'btrfs'],
  [0x01021994, 'tmpfs'],
  [0x4d44, 'FAT'],
  [0x2011bab0, 'exFAT'],
  [0x6969, 'NFS'],
  [0x2fc12fc1, 'ZFS'],
]);

export interface OutputNeeds {
  /** Length that the file may reach. */
  readonly fileBytes: number;
  /** Space that it may take. */
  readonly occupiedBytes: number;
}

/**
 * Tries on `temporary`, a name in the target's folder that is free, whether a file may get that long.
 *
 * @throws disk.file-too-large; disk.no-space
 */
export async function assertFits(path: string, temporary: string, needs: OutputNeeds): Promise<void> {
  const { type, bavail, bsize } = await statfs(dirname(temporary));
  if (!(await mayBeLong(temporary, needs.fileBytes))) {
    const limit = await longestFile(temporary, needs.fileBytes);
    const fileSystem = fileSystems.get(type) ?? 'this file system';
    throw diskErrors['file-too-large']({ path, bytes: needs.fileBytes, limit, fileSystem });
  }
  const free = bavail * bsize;
  if (needs.occupiedBytes > free) {
    throw diskErrors['no-space']({ path, needed: needs.occupiedBytes, free });
  }
}

async function mayBeLong(temporary: string, bytes: number): Promise<boolean> {
  await using file = await open(temporary, 'wx', 0o600);
  try {
    await file.truncate(bytes);
    return true;
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'EFBIG' || code === 'EINVAL') return false;
    throw cause;
  } finally {
    await unlink(temporary);
  }
}

async function longestFile(temporary: string, tooLong: number): Promise<number> {
  let low = 0;
  let high = tooLong;
  while (high - low > 4096) {
    const middle = Math.floor((low + high) / 2);
    if (await mayBeLong(temporary, middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** Space that a write into an existing file on this volume may still take. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(dirname(path));
  return bavail * bsize;
}
