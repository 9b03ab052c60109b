/**
 * Positional input and output on one disk file: exact reads, whole writes, holes, barriers.
 * Failures are `disk.io` with the system's own words; a file that ends too early is `disk.truncated`.
 */
import { constants } from 'node:fs';
import { copyFile, type FileHandle, open } from 'node:fs/promises';
import type { Range, SignalOptions } from './disk.ts';
import { diskErrors } from './errors.ts';
import { punchHole, reserve, SystemCallError, seekData, seekHole } from './native.ts';

/** Longest single read or write; a signal is looked at in between. */
const pieceBytes = 8 * 2 ** 20;
const zeros = new Uint8Array(2 ** 20);

const EOPNOTSUPP = 95;

/** What file systems without shared blocks answer, and those of which each holds one of the two files. */
const noSharing: ReadonlySet<unknown> = new Set([
  'ENOTSUP',
  'EOPNOTSUPP',
  'EXDEV',
  'EINVAL',
  'ENOTTY',
  'ENOSYS',
  'EPERM',
]);

export type FileMode = 'read' | 'write' | 'create';

const openFlags: Readonly<Record<FileMode, number>> = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
};

export class DiskFile implements AsyncDisposable {
  readonly path: string;
  /** A file, not a block device: it has a length that can change, and holes. */
  readonly isRegular: boolean;
  readonly #handle: FileHandle;
  #length: number;
  #open = true;

  private constructor(path: string, handle: FileHandle, length: number, isRegular: boolean) {
    this.path = path;
    this.isRegular = isRegular;
    this.#handle = handle;
    this.#length = length;
  }

  /**
   * @throws disk.not-found; disk.exists in mode `create`; disk.io, also for what is neither a file nor a block device
   */
  static async open(path: string, mode: FileMode): Promise<DiskFile> {
    let handle: FileHandle | undefined;
    try {
      // O_NONBLOCK: opening a named pipe that was put in the way must not hang.
      handle = await open(path, openFlags[mode] | constants.O_NONBLOCK, 0o600);
      const stat = await handle.stat();
      if (stat.isFile()) return new DiskFile(path, handle, stat.size, true);
      if (stat.isBlockDevice())
        return new DiskFile(path, handle, await blockDeviceLength(handle, path), false);
      throw diskErrors.io({ path, action: 'open', reason: 'it is neither a file nor a block device' });
    } catch (cause) {
      await handle?.close();
      throw asDiskError(cause, path, 'open');
    }
  }

  /** Length of the file as this object knows it: it follows its own writes. */
  get length(): number {
    return this.#length;
  }

  /** Fills `target` from `offset`. @throws disk.truncated, naming `what`, if the file ends before that. */
  async readExact(target: Uint8Array, offset: number, what: string, options?: SignalOptions): Promise<void> {
    const got = await this.readUpTo(target, offset, options);
    if (got === target.length) return;
    throw diskErrors.truncated({
      path: this.path,
      what,
      fileOffset: offset,
      length: target.length,
      fileBytes: offset + got,
    });
  }

  /** Reads as much of `target` as the file has from `offset` on. Returns the number of bytes. */
  async readUpTo(target: Uint8Array, offset: number, options?: SignalOptions): Promise<number> {
    let done = 0;
    try {
      while (done < target.length) {
        options?.signal?.throwIfAborted();
        const wanted = Math.min(pieceBytes, target.length - done);
        const { bytesRead } = await this.#handle.read(target, done, wanted, offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
    } catch (cause) {
      throw asDiskError(cause, this.path, 'read', options);
    }
    return done;
  }

  /** Like `readUpTo`, but what lies behind the end of the file reads as zero. */
  async readPadded(target: Uint8Array, offset: number, options?: SignalOptions): Promise<void> {
    const got = await this.readUpTo(target, offset, options);
    target.fill(0, got);
  }

  async writeAll(source: Uint8Array, offset: number, options?: SignalOptions): Promise<void> {
    let done = 0;
    try {
      while (done < source.length) {
        options?.signal?.throwIfAborted();
        const wanted = Math.min(pieceBytes, source.length - done);
        const { bytesWritten } = await this.#handle.write(source, done, wanted, offset + done);
        done += bytesWritten;
      }
    } catch (cause) {
      throw asDiskError(cause, this.path, 'write', options);
    } finally {
      this.#length = Math.max(this.#length, offset + done);
    }
  }

  /** Writes several buffers one after another at `offset`. */
  async writeVector(sources: readonly Uint8Array[], offset: number, options?: SignalOptions): Promise<void> {
    let at = offset;
    for (const source of sources) {
      await this.writeAll(source, at, options);
      at += source.length;
    }
  }

  async truncate(length: number): Promise<void> {
    try {
      await this.#handle.truncate(length);
      this.#length = length;
    } catch (cause) {
      throw asDiskError(cause, this.path, 'change the length of');
    }
  }

  /** Barrier: what was written before is on stable storage, the length of the file included. */
  async sync(): Promise<void> {
    try {
      await this.#handle.datasync();
    } catch (cause) {
      throw asDiskError(cause, this.path, 'flush');
    }
  }

  /**
   * Makes the range read as zero, as a hole where the file system has holes, by writing zeros where not. Behind the
   * end of the file there is nothing to do; the length stays.
   */
  async punch(offset: number, length: number, options?: SignalOptions): Promise<void> {
    const end = Math.min(offset + length, this.#length);
    if (end <= offset) return;
    try {
      await punchHole(this.#handle.fd, offset, end - offset);
    } catch (cause) {
      if (!(cause instanceof SystemCallError && cause.errno === EOPNOTSUPP)) {
        throw asDiskError(cause, this.path, 'free space in');
      }
      await this.writeZeros(offset, end - offset, options);
    }
  }

  async writeZeros(offset: number, length: number, options?: SignalOptions): Promise<void> {
    for (let done = 0; done < length; done += zeros.length) {
      const piece = zeros.subarray(0, Math.min(zeros.length, length - done));
      await this.writeAll(piece, offset + done, options);
    }
  }

  /**
   * Reserves the space of the range, so that writing into it cannot fail for want of space. Where the file system
   * cannot reserve, it only extends the file.
   */
  async reserve(offset: number, length: number): Promise<void> {
    try {
      await reserve(this.#handle.fd, offset, length);
      this.#length = Math.max(this.#length, offset + length);
    } catch (cause) {
      if (!(cause instanceof SystemCallError && cause.errno === EOPNOTSUPP)) {
        throw asDiskError(cause, this.path, 'reserve space in');
      }
      if (this.#length < offset + length) await this.truncate(offset + length);
    }
  }

  /** The parts of the range that may hold data; all else in it is holes and reads as zero. */
  *dataRanges(range: Range): Generator<Range> {
    const end = Math.min(range.offset + range.length, this.#length);
    let at = range.offset;
    while (at < end) {
      const start = this.#seek(seekData, at) ?? end;
      if (start >= end) return;
      const stop = Math.min(this.#seek(seekHole, start) ?? end, end);
      yield { offset: start, length: stop - start };
      at = stop;
    }
  }

  #seek(how: (fd: number, offset: number) => number | undefined, offset: number): number | undefined {
    try {
      return how(this.#handle.fd, offset);
    } catch (cause) {
      throw asDiskError(cause, this.path, 'look for holes in');
    }
  }

  /**
   * Makes `path`, which must not exist, a file that shares all blocks with this one until either changes.
   *
   * @returns whether the file system can
   */
  async shareAs(path: string): Promise<boolean> {
    try {
      // By the handle: the name may lead to another file by now (proc(5), /proc/self/fd).
      const source = `/proc/self/fd/${this.#handle.fd}`;
      await copyFile(source, path, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
      return true;
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && noSharing.has(cause.code)) return false;
      throw asDiskError(cause, path, 'copy to');
    }
  }

  /** Space that the file occupies on its volume. */
  async occupiedBytes(): Promise<number> {
    const stat = await this.#handle.stat();
    return stat.blocks * 512;
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#handle.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** A block device reports size 0; its end is found by halving, since Node has no ioctl. */
async function blockDeviceLength(handle: FileHandle, path: string): Promise<number> {
  const readable = async (offset: number): Promise<boolean> =>
    (await handle.read(new Uint8Array(1), 0, 1, offset)).bytesRead === 1;
  let low = 0;
  let high = 2 ** 50;
  if (!(await readable(0))) throw diskErrors.io({ path, action: 'open', reason: 'the device holds nothing' });
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (await readable(middle)) low = middle;
    else high = middle;
  }
  return high;
}

/** An expected failure of the system in the registry's words; what was no such failure passes through. */
function asDiskError(cause: unknown, path: string, action: string, options?: SignalOptions): unknown {
  if (options?.signal?.aborted && cause === options.signal.reason) return cause;
  if (cause instanceof SystemCallError) {
    return diskErrors.io({ path, action, reason: cause.message }, { cause });
  }
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT') return diskErrors['not-found']({ path }, { cause });
  if (code === 'EEXIST') return diskErrors.exists({ path }, { cause });
  if (typeof code === 'string' && cause instanceof Error && 'syscall' in cause) {
    return diskErrors.io({ path, action, reason: code }, { cause });
  }
  return cause;
}

/** What a format needs of its file. Tests put a shim in its place that records, drops and reorders. */
export type BlockFile = Pick<DiskFile, Exclude<keyof DiskFile, 'shareAs'>>;
