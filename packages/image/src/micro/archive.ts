/**
 * Packs a folder as an initramfs: a cpio archive in "newc" format (the kernel's
 * Documentation/driver-api/early-userspace/buffer-format.rst), gzip'd. The same content gives the same bytes.
 */
import { chmod, lstat, lutimes, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { runCommand } from '../command.ts';

export type ArchiveEntry =
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly content: Uint8Array;
      readonly executable: boolean;
    }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

/** Writes the entries below `folder`, with modes that do not depend on the umask. */
export async function writeTree(folder: string, entries: Iterable<ArchiveEntry>): Promise<void> {
  for (const entry of entries) {
    const path = join(folder, entry.path);
    await mkdir(dirname(path), { recursive: true });
    if (entry.kind === 'link') await symlink(entry.target, path);
    else {
      await writeFile(path, entry.content, { flag: 'wx' });
      await chmod(path, entry.executable ? 0o755 : 0o644);
    }
  }
}

/** Every path below `folder`, sorted by its bytes: a folder comes before what is in it. */
async function listTree(folder: string): Promise<readonly string[]> {
  return (await readdir(folder, { recursive: true })).toSorted((a, b) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
}

/** @returns the archive, compressed */
export async function packTree(folder: string, scratch: string, signal?: AbortSignal): Promise<Buffer> {
  const paths = await listTree(folder);
  for (const path of paths) {
    const full = join(folder, path);
    if ((await lstat(full)).isDirectory()) await chmod(full, 0o755);
    await lutimes(full, 0, 0);
  }
  const list = join(scratch, 'list');
  const archive = join(scratch, 'archive');
  await writeFile(list, paths.map((path) => `${path}\0`).join(''));
  // cpio reads its list from standard input alone; the shell only opens it.
  const pack = 'exec cpio --quiet -0 -o -H newc --reproducible --owner=+0:+0 -O "$1" <"$2"';
  await runCommand('sh', ['-c', pack, 'sh', archive, list], { cwd: folder, signal });
  return promisify(gzip)(await readFile(archive), { level: 9 });
}
