/**
 * Files and folders of a directory store: written whole and synced, published under a name that is free, and read only
 * where they are plain files.
 */
import { constants } from 'node:fs';
import { type FileHandle, link, lstat, mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { syncFolder } from '@corral/disk/sync';
import type { ReadRange } from './object-store.ts';

/** A new folder's own entry must last as long as the objects in it. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  await syncFolder(path.dirname(first));
  await syncFolder(path.dirname(folder));
}

/** @param mayBeLost whether the name need not outlast a power cut */
export async function publish(
  temporary: string,
  target: string,
  mayBeLost: boolean,
): Promise<'stored' | 'exists'> {
  try {
    await link(temporary, target);
  } catch (cause) {
    if (!hasCode(cause, 'EEXIST')) throw cause;
    // A retransmitted NFS request may report EEXIST for the link it made itself: two names tell (link(2), Notes).
    const [ours, theirs] = await Promise.all([lstat(temporary), lstat(target)]);
    if (ours.ino !== theirs.ino || ours.dev !== theirs.dev) return 'exists';
  }
  if (!mayBeLost) await syncFolder(path.dirname(target));
  return 'stored';
}

/** Synced: what gets a name has its content then, or a power cut would make a damaged object of it. */
export async function writeFile(file: string, content: Uint8Array): Promise<void> {
  await using handle = await open(file, 'wx', 0o400);
  for (let done = 0; done < content.length; ) {
    done += (await handle.write(content, done, content.length - done)).bytesWritten;
  }
  await handle.sync();
}

/** O_NONBLOCK: a FIFO planted in the directory must not make a reader wait for ever. */
export async function openRegular(file: string): Promise<FileHandle> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw new Error('not a regular file');
}

export async function readRegular(file: string, range?: ReadRange): Promise<Buffer> {
  await using handle = await openRegular(file);
  return await readRange(handle, range ?? { offset: 0, length: (await handle.stat()).size });
}

/** Above this the file is asked for its size before memory is taken: a range may come from what somebody else wrote. */
const mostUnmeasuredBytes = 2 ** 18;

export async function readRange(handle: FileHandle, { offset, length }: ReadRange): Promise<Buffer> {
  const there = length <= mostUnmeasuredBytes ? length : (await handle.stat()).size - offset;
  const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(length, there)));
  return buffer.subarray(0, await fill(handle, offset, buffer));
}

/** Reads until `target` is full or the file ends. */
export async function fill(handle: FileHandle, offset: number, target: Buffer): Promise<number> {
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await handle.read(target, done, target.length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

export function hasCode(cause: unknown, code: string): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === code;
}

/** Another host may have removed the same file: that it is gone is what was wanted. */
export function ignoreMissing(cause: unknown): undefined {
  if (!hasCode(cause, 'ENOENT')) throw cause;
}
