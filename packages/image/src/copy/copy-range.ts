/** copy_file_range(2), by which a file system or a file server copies without the data coming here. Node has no call for it. */
import koffi from 'koffi';

const libc = koffi.load(null);
const call = libc.func(
  'int64_t copy_file_range(int in, _Inout_ int64_t *inOffset, int out, _Inout_ int64_t *outOffset, uint64_t length, uint32_t flags)',
);

/** errno(3) of kernels and file systems that cannot: ENOSYS, EOPNOTSUPP, EXDEV, EINVAL, EPERM. */
const cannot = new Set([38, 95, 18, 22, 1]);

/** What one call may take on: a server answers in the time that this much needs. */
const pieceBytes = 64 * 2 ** 20;

function copyOnce(source: number, target: number, offset: number, length: number): Promise<number> {
  return new Promise((resolve, reject) => {
    call.async(
      source,
      [offset],
      target,
      [offset],
      length,
      0,
      (error: Error | null, copied: number | bigint) => {
        if (error) reject(error);
        else resolve(Number(copied));
      },
    );
  });
}

/**
 * Copies a range to the same place of another file.
 *
 * @returns false if the file system cannot, before anything was copied
 * @throws Error with the number of another failure, such as a full disk
 */
export async function copyRange(
  source: number,
  target: number,
  range: { readonly offset: number; readonly length: number },
  signal?: AbortSignal,
): Promise<boolean> {
  const end = range.offset + range.length;
  for (let at = range.offset; at < end; ) {
    signal?.throwIfAborted();
    const length = Math.min(pieceBytes, end - at);
    let copied = await copyOnce(source, target, at, length);
    if (copied < 0) {
      // The number of the error stays behind on the thread that made the call: ask again on this one, for little.
      copied = Number(call(source, [at], target, [at], Math.min(length, 4096), 0));
      const errno = koffi.errno();
      if (copied < 0 && cannot.has(errno) && at === range.offset) return false;
      if (copied < 0) throw new Error(`copy_file_range failed with errno ${errno}`);
    }
    if (copied === 0) throw new Error('copy_file_range copied nothing: the source became shorter');
    at += copied;
  }
  return true;
}
