/** Real file systems of a test's own: in a file behind a loop device, or in memory. Gone when they are disposed. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export const fileSystems = ['xfs', 'btrfs', 'ext4', 'tmpfs'] as const;
export type FileSystem = (typeof fileSystems)[number];

const makers: Readonly<Record<Exclude<FileSystem, 'tmpfs'>, readonly string[]>> = {
  xfs: ['mkfs.xfs', '-q', '-m', 'reflink=1'],
  btrfs: ['mkfs.btrfs', '-q'],
  ext4: ['mkfs.ext4', '-q', '-F'],
};

export class MountedFileSystem implements AsyncDisposable {
  /** The mount point, open to be walked through. */
  readonly path: string;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, 'mounted');
  }

  /** @param bytes 512 MiB is enough for each of them */
  static async mount(type: FileSystem, bytes = 512 * 2 ** 20): Promise<MountedFileSystem> {
    const folder = await mkdtemp(join(tmpdir(), `corral-${type}-`));
    try {
      await chmod(folder, 0o711);
      const made = new MountedFileSystem(folder);
      await mkdir(made.path);
      if (type === 'tmpfs') await execute('mount', ['-t', type, '-o', `size=${bytes}`, type, made.path]);
      else await mountFile(type, join(folder, 'file'), bytes, made.path);
      await chmod(made.path, 0o755);
      return made;
    } catch (cause) {
      await rm(folder, { recursive: true, force: true });
      throw cause;
    }
  }

  /** The mount point is a bare folder from now on; whoever has something open in the file system keeps that. */
  async detach(): Promise<void> {
    await execute('umount', ['--lazy', this.path]);
  }

  /** What was detached is there again. */
  async attach(): Promise<void> {
    await execute('mount', ['-o', 'loop', join(this.#folder, 'file'), this.path]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await execute('umount', [this.path]);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function mountFile(
  type: Exclude<FileSystem, 'tmpfs'>,
  file: string,
  bytes: number,
  path: string,
): Promise<void> {
  {
    await using handle = await open(file, 'wx');
    await handle.truncate(bytes);
  }
  const [maker, ...options] = makers[type];
  await execute(maker!, [...options, file]);
  await execute('mount', ['-o', 'loop', file, path]);
}
