/**
 * The few calls of the C library that sparse files need and Node does not have: `lseek` with SEEK_DATA and
 * SEEK_HOLE, `fallocate` with FALLOC_FL_PUNCH_HOLE. Both are 64-bit under these names on every Linux that Node runs on.
 */
import koffi from 'koffi';

const libc = koffi.load(null);
const lseekFn = libc.func('int64_t lseek(int fd, int64_t offset, int whence)');
const fallocateFn = libc.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)');

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
const FALLOC_FL_ZERO_RANGE = 16;

const ENXIO = 6;

/** A call of the C library failed; `errno` as in errno(3). */
export class SystemCallError extends Error {
  override readonly name = 'SystemCallError';
  readonly errno: number;

  constructor(call: string, errno: number) {
    super(`${call} failed with errno ${errno}`);
    this.errno = errno;
  }
}

function seek(fd: number, offset: number, whence: number): number | undefined {
  const result = Number(lseekFn(fd, offset, whence));
  if (result >= 0) return result;
  const errno = koffi.errno();
  if (errno === ENXIO) return undefined;
  throw new SystemCallError('lseek', errno);
}

/**
 * First byte at or after `offset` that may hold data; undefined if only a hole follows. Moves the file position,
 * which nobody here uses. A file system without holes says everything is data.
 */
export function seekData(fd: number, offset: number): number | undefined {
  return seek(fd, offset, SEEK_DATA);
}

/** First hole at or after `offset`, at the latest the end of the file; undefined behind the end. */
export function seekHole(fd: number, offset: number): number | undefined {
  return seek(fd, offset, SEEK_HOLE);
}

function fallocate(fd: number, mode: number, offset: number, length: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fallocateFn.async(fd, mode, offset, length, (error: Error | null, result: number) => {
      if (error) return reject(error);
      if (result === 0) return resolve();
      // The number of the error stays behind on the thread that made the call: ask again on this one.
      if (fallocateFn(fd, mode, offset, length) === 0) return resolve();
      reject(new SystemCallError('fallocate', koffi.errno()));
    });
  });
}

/** Makes a hole that reads as zero; the length of the file stays. @throws SystemCallError, EOPNOTSUPP among them. */
export function punchHole(fd: number, offset: number, length: number): Promise<void> {
  return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

/** Reserves space and makes it read as zero, extending the file. @throws SystemCallError, EOPNOTSUPP among them. */
export function zeroRange(fd: number, offset: number, length: number): Promise<void> {
  return fallocate(fd, FALLOC_FL_ZERO_RANGE, offset, length);
}

/** Reserves space for a fixed disk, extending the file. @throws SystemCallError, EOPNOTSUPP or ENOSPC among them. */
export function reserve(fd: number, offset: number, length: number): Promise<void> {
  return fallocate(fd, 0, offset, length);
}

/** Memory whose address is a multiple of `alignment`, a power of two: what open(2) asks for with O_DIRECT. */
export function alignedBuffer(bytes: number, alignment: number): Buffer {
  const memory = Buffer.from(new ArrayBuffer(bytes + alignment));
  const misaligned = Number(koffi.address(memory) % BigInt(alignment));
  const start = (alignment - misaligned) % alignment;
  return memory.subarray(start, start + bytes);
}
