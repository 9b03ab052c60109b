/** What the file system under a folder can do: found out by trying, since options and layers below change it. */
import { constants, copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

export interface VolumeFacts {
  /** As the kernel calls it: ext4, xfs, btrfs, nfs4. */
  readonly fileSystem: string;
  /** Whether a copy shares its blocks with the original (ioctl_ficlone(2)). */
  readonly reflink: boolean;
}

export async function volumeFacts(folder: string): Promise<VolumeFacts> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  return { fileSystem: fileSystemOf(mounts, resolve(folder)), reflink: await canReflink(folder) };
}

/** The type of the mount with the longest path above `path`; proc(5), /proc/pid/mountinfo. Pure. */
export function fileSystemOf(mountinfo: string, path: string): string {
  let best = { point: '', type: 'unknown' };
  for (const line of mountinfo.split('\n')) {
    const [before, after] = line.split(' - ');
    const point = decodeOctal(before?.split(' ')[4] ?? '');
    const type = after?.split(' ')[0];
    if (!type || !isAbove(point, path) || point.length < best.point.length) continue;
    best = { point, type };
  }
  return best.type;
}

const isAbove = (point: string, path: string): boolean =>
  point === '/' || path === point || path.startsWith(`${point}/`);

/** Spaces and the like are written as octal numbers there. */
const decodeOctal = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

async function canReflink(folder: string): Promise<boolean> {
  const scratch = await mkdtemp(join(folder, '.reflink-'));
  try {
    await writeFile(join(scratch, 'a'), 'a');
    await copyFile(join(scratch, 'a'), join(scratch, 'b'), constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (cause) {
    const refused = ['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'ENOTTY'];
    if (refused.includes((cause as NodeJS.ErrnoException).code ?? '')) return false;
    throw cause;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
