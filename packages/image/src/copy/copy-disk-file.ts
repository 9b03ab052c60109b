/**
 * Copies a disk's file in the way that costs least: a reflink shares the blocks until one of the two changes; a file
 * system or server may copy by itself; else the data is read and written, and holes stay holes.
 */
import { constants } from 'node:fs';
import { copyFile, type FileHandle, open, rm } from 'node:fs/promises';
import { seekData, seekHole } from '@corral/disk/native';
import type { LongWork } from '../progress.ts';
import { copyRange } from './copy-range.ts';

export type CopyWay = 'reflink' | 'copy_file_range' | 'read-write';

export interface CopyResult {
  readonly way: CopyWay;
  /** Size of the file, holes included. */
  readonly sizeBytes: number;
  /** What came through copy_file_range or this process; 0 for a reflink. */
  readonly copiedBytes: number;
}

export interface CopyOptions extends LongWork {
  /** The first way to try; the ones after it follow. For tests and comparisons. */
  readonly firstWay?: CopyWay;
}

interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** What file systems answer that have no reflinks, or whose files lie on two of them. */
const noReflink = new Set(['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOTTY', 'ENOSYS', 'EPERM']);

const bufferBytes = 4 * 2 ** 20;

async function reflink(source: string, target: string): Promise<boolean> {
  try {
    await copyFile(source, target, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    return true;
  } catch (cause) {
    if (noReflink.has((cause as NodeJS.ErrnoException).code ?? '')) return false;
    throw cause;
  }
}

function* dataExtents(fd: number, size: number): Generator<Extent> {
  for (let at = 0; at < size; ) {
    const offset = seekData(fd, at);
    if (offset === undefined || offset >= size) return;
    const end = Math.min(seekHole(fd, offset) ?? size, size);
    yield { offset, length: end - offset };
    at = end;
  }
}

async function readWrite(
  source: FileHandle,
  target: FileHandle,
  extent: Extent,
  signal?: AbortSignal,
): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(bufferBytes, extent.length));
  const end = extent.offset + extent.length;
  for (let at = extent.offset; at < end; ) {
    signal?.throwIfAborted();
    const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, end - at), at);
    if (bytesRead === 0) throw new Error('the source became shorter while it was copied');
    for (let done = 0; done < bytesRead; ) {
      done += (await target.write(buffer, done, bytesRead - done, at + done)).bytesWritten;
    }
    at += bytesRead;
  }
}

async function copyExtents(source: string, target: string, options: CopyOptions): Promise<CopyResult> {
  const { signal, progress } = options;
  await using from = await open(source, constants.O_RDONLY);
  await using to = await open(target, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  const { size } = await from.stat();
  await to.truncate(size);
  let way: CopyWay = options.firstWay === 'read-write' ? 'read-write' : 'copy_file_range';
  let copiedBytes = 0;
  for (const extent of dataExtents(from.fd, size)) {
    if (way === 'copy_file_range' && !(await copyRange(from.fd, to.fd, extent, signal))) way = 'read-write';
    if (way === 'read-write') await readWrite(from, to, extent, signal);
    copiedBytes += extent.length;
    progress?.({ step: `copying ${source}`, doneBytes: extent.offset + extent.length, totalBytes: size });
  }
  await to.datasync();
  return { way, sizeBytes: size, copiedBytes };
}

/**
 * @param target must not exist; is removed again when the copy fails
 * @throws Error of the file system (EEXIST, ENOSPC ...); the signal's reason
 */
export async function copyDiskFile(
  source: string,
  target: string,
  options: CopyOptions = {},
): Promise<CopyResult> {
  options.signal?.throwIfAborted();
  if ((options.firstWay ?? 'reflink') === 'reflink' && (await reflink(source, target))) {
    await using made = await open(target, 'r+');
    await made.sync();
    return { way: 'reflink', sizeBytes: (await made.stat()).size, copiedBytes: 0 };
  }
  try {
    return await copyExtents(source, target, options);
  } catch (cause) {
    // A target that was there before is not ours to remove.
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') await rm(target, { force: true });
    throw cause;
  }
}
