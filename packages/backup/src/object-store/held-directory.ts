/**
 * A directory that is held open, and reached through its descriptor alone (proc(5), /proc/self/fd). Whatever stands at its
 * path later, such as the bare mount point when its file system was unmounted, nothing is read or written there.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';

export class HeldDirectory {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #device: bigint;
  readonly #inode: bigint;

  private constructor(path: string, handle: FileHandle, device: bigint, inode: bigint) {
    this.#path = path;
    this.#handle = handle;
    this.#device = device;
    this.#inode = inode;
  }

  /** @throws the system's error, such as ENOENT */
  static async open(path: string): Promise<HeldDirectory> {
    const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      const { dev, ino } = await handle.stat({ bigint: true });
      return new HeldDirectory(path, handle, dev, ino);
    } catch (cause) {
      await handle.close();
      throw cause;
    }
  }

  /** Of what lies below, as this process reaches it until `close`. */
  pathOf(relative: string): string {
    return `/proc/self/fd/${this.#handle.fd}/${relative}`;
  }

  /** Whether its path still leads to it. */
  async isInPlace(): Promise<boolean> {
    try {
      const { dev, ino } = await stat(this.#path, { bigint: true });
      return dev === this.#device && ino === this.#inode;
    } catch {
      // Whatever it is that stands there, or does not: it is not this directory.
      return false;
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** What the system says of a file, as people know the place. */
export function withoutDescriptors(text: string, path: string): string {
  return text.replaceAll(/\/proc\/self\/fd\/\d+/g, path);
}
