/** The kind that is a folder on a mounted file system: local, NFS, or a file system on a SAN. */
import { readFile, realpath, rm, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileSystemOf } from '../storage/volume-facts.ts';
import { probeCapabilities, probeFolder } from './capabilities.ts';
import { volumeErrors } from './errors.ts';
import { deleteOwnerFile, nextOwnerFile, readOwnerFile, writeOwnerFile } from './owner-file.ts';
import type { VolumeDriver, VolumeFacts } from './volume-driver.ts';

export const directoryDriver: VolumeDriver = {
  kind: 'directory',
  resolveRoot,
  probe,
  readOwner: readOwnerFile,
  writeOwner: writeOwnerFile,
  cleanUp: async (root, writer) => {
    await rm(probeFolder(root, writer), { recursive: true, force: true });
    await rm(nextOwnerFile(root, writer), { force: true });
  },
  deleteOwner: deleteOwnerFile,
  space: async (root) => {
    const { blocks, bavail, bsize } = await statfs(root);
    return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
  },
};

async function resolveRoot(path: string, walkable: boolean): Promise<string> {
  const bad = (reason: string, cause?: unknown): Error =>
    volumeErrors['bad-root']({ path, reason }, { cause });
  const root = await realpath(path).catch((cause: NodeJS.ErrnoException) => {
    throw bad(cause.code === 'ENOENT' ? 'there is no such folder.' : cause.message, cause);
  });
  if (!(await stat(root)).isDirectory()) throw bad('it is no folder.');
  if (root === '/') throw bad('it is the root of the system. Make a folder for it.');
  for (let folder = root; walkable && folder !== '/'; folder = dirname(folder)) {
    if (((await stat(folder)).mode & 0o001) !== 0) continue;
    throw bad(
      `${folder} is closed to other users, so a VM's own user could not reach its disks. Open it with "chmod o+x ${folder}".`,
    );
  }
  return root;
}

async function probe(root: string, writer: string): Promise<VolumeFacts> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  const capabilities = await probeCapabilities(root, writer).catch((cause: NodeJS.ErrnoException) => {
    throw volumeErrors['bad-root'](
      { path: root, reason: `nothing can be written there (${cause.message}).` },
      { cause },
    );
  });
  if (!capabilities.folderSync) {
    const reason =
      'its folders cannot be synced, so that a crash could lose files that were said to be there.';
    throw volumeErrors['bad-root']({ path: root, reason });
  }
  return { fileSystem: fileSystemOf(mounts, root), capabilities };
}
