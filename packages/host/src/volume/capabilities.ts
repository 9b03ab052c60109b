/**
 * What works in a folder, found out by trying: mount options, layers below and the kernel change what a file system of
 * a given name can do. Everything is done in a scratch folder, which is gone afterwards.
 */
import { constants, copyFile, type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { VolumeCapabilities } from '@corral/api/schemas/volume';
import { alignedBuffer, punchHole, SystemCallError } from '@corral/disk/native';
import { copyRange } from '@corral/image/copy/copy-range';

const MiB = 2 ** 20;
/** As a block of any file system, and a page. */
const blockBytes = 4096;

/** Answers of kernels and file systems that cannot. What else goes wrong is an error of the volume. */
const cannotCodes = new Set(['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOTTY', 'ENOSYS', 'EPERM']);
const cannotNumbers = new Set([95, 18, 22, 25, 38, 1]);

/** @param writer id of this host: several may look at one folder at once */
export function probeFolder(root: string, writer: string): string {
  return join(root, `.corral-probe-${writer}`);
}

/** Repeatable. @throws Error of the file system when nothing can be written there at all */
export async function probeCapabilities(root: string, writer: string): Promise<VolumeCapabilities> {
  const scratch = probeFolder(root, writer);
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { mode: 0o700 });
  try {
    const source = join(scratch, 'source');
    await writeBlocks(source);
    return {
      reflink: await works(() =>
        copyFile(source, join(scratch, 'clone'), constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL),
      ),
      copyFileRange: await copiesByItself(source, join(scratch, 'copy')),
      sparseFiles: await leavesHoles(join(scratch, 'sparse')),
      holePunching: await givesBack(join(scratch, 'holes')),
      directIo: await works(() => writeDirectly(join(scratch, 'direct'))),
      folderSync: await works(() => syncScratch(scratch)),
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function works(attempt: () => Promise<unknown>): Promise<boolean> {
  try {
    await attempt();
    return true;
  } catch (cause) {
    const cannot =
      cause instanceof SystemCallError
        ? cannotNumbers.has(cause.errno)
        : cannotCodes.has((cause as NodeJS.ErrnoException).code ?? '');
    if (cannot) return false;
    throw cause;
  }
}

async function writeBlocks(path: string): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  await file.writeFile(Buffer.alloc(16 * blockBytes, 1));
  await file.sync();
}

async function copiesByItself(source: string, target: string): Promise<boolean> {
  await using from = await open(source, 'r');
  await using to = await open(target, 'wx', 0o600);
  // Awaited here: the files are closed when this function is left.
  return await copyRange(from.fd, to.fd, { offset: 0, length: blockBytes });
}

/** A megabyte is more than what any file system here keeps in the inode or rounds up to. */
async function leavesHoles(path: string): Promise<boolean> {
  await using file = await open(path, 'wx', 0o600);
  await file.truncate(4 * MiB);
  await file.write(Buffer.alloc(blockBytes, 1), 0, blockBytes, 3 * MiB);
  await file.sync();
  return (await occupied(file)) < MiB;
}

async function givesBack(path: string): Promise<boolean> {
  await using file = await open(path, 'wx', 0o600);
  await file.writeFile(Buffer.alloc(2 * MiB, 1));
  await file.sync();
  const before = await occupied(file);
  if (!(await works(() => punchHole(file.fd, 0, 2 * MiB)))) return false;
  await file.sync();
  return (await occupied(file)) < before || before === 0;
}

/** stat(2) counts blocks of 512 bytes whatever the file system's are. */
async function occupied(file: FileHandle): Promise<number> {
  return (await file.stat()).blocks * 512;
}

/** open(2), O_DIRECT: address, length and place must be aligned. A file system may take the flag and refuse the write. */
async function writeDirectly(path: string): Promise<void> {
  await using file = await open(path, constants.O_CREAT | constants.O_RDWR | constants.O_DIRECT, 0o600);
  await file.write(alignedBuffer(blockBytes, blockBytes), 0, blockBytes, 0);
}

async function syncScratch(folder: string): Promise<void> {
  await using handle = await open(folder, 'r');
  await handle.sync();
}
