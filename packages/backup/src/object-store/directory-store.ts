/**
 * A store in a directory, local or on NFS.
 *
 * Put: write to `tmp/`, sync, `link(2)` to the name (which fails if the name is taken: the one primitive that is
 * atomic on NFS too), sync the folder, unlink the temporary name. Readers never see half an object.
 * The directory may be hostile: names come from listings only if they match the format's patterns, links
 * are not followed, and nothing but a regular file is opened for reading.
 */

import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, lstat, mkdir, open, opendir, unlink } from 'node:fs/promises';
import path from 'node:path';
import { repositoryErrors } from '../errors.ts';
import {
  checkObjectName,
  isObjectName,
  type ObjectEntry,
  type ObjectStore,
  type PutOptions,
  type ReadRange,
} from './object-store.ts';

/** Segments and packs are read piece by piece: their files stay open, so that a piece costs one read. */
const openFilesLimit = 32;
const temporaryFolder = 'tmp';
const temporaryMaxAgeMs = 86_400e3;

export class DirectoryStore implements ObjectStore {
  readonly place: string;
  readonly canRetain = false;
  readonly #root: string;
  readonly #knownFolders = new Set<string>();
  readonly #open = new Map<string, Promise<FileHandle>>();

  constructor(root: string) {
    this.#root = path.resolve(root);
    this.place = this.#root;
  }

  async put(name: string, content: Uint8Array, options: PutOptions = {}): Promise<'stored' | 'exists'> {
    checkObjectName(name);
    options.signal?.throwIfAborted();
    try {
      await this.#ensureFolder(temporaryFolder);
      await this.#ensureFolder(path.posix.dirname(name));
      const temporary = path.join(this.#root, temporaryFolder, randomUUID());
      try {
        await writeFile(temporary, content, isShortLived(name));
        return await this.#publish(temporary, name);
      } finally {
        await unlink(temporary).catch(ignoreMissing);
      }
    } catch (cause) {
      throw this.#failed(`put ${name}`, cause);
    }
  }

  async #publish(temporary: string, name: string): Promise<'stored' | 'exists'> {
    const target = path.join(this.#root, name);
    try {
      await link(temporary, target);
    } catch (cause) {
      if (!hasCode(cause, 'EEXIST')) throw cause;
      // A retransmitted NFS request may report EEXIST for the link it made itself: two names tell (link(2), Notes).
      const [ours, theirs] = await Promise.all([lstat(temporary), lstat(target)]);
      if (ours.ino !== theirs.ino || ours.dev !== theirs.dev) return 'exists';
    }
    if (!isShortLived(name)) await syncFolder(path.dirname(target));
    return 'stored';
  }

  async read(name: string, range?: ReadRange, signal?: AbortSignal): Promise<Buffer> {
    checkObjectName(name);
    signal?.throwIfAborted();
    try {
      if (range && isReadInPieces(name)) return await readRange(await this.#keepOpen(name), range);
      await using handle = await openRegular(path.join(this.#root, name));
      return await readRange(handle, range ?? { offset: 0, length: (await handle.stat()).size });
    } catch (cause) {
      if (hasCode(cause, 'ENOENT')) throw repositoryErrors['object-missing']({ name }, { cause });
      throw this.#failed(`read ${name}`, cause);
    }
  }

  async readInto(name: string, offset: number, target: Buffer, signal?: AbortSignal): Promise<number> {
    checkObjectName(name);
    signal?.throwIfAborted();
    try {
      return await fill(await this.#keepOpen(name), offset, target);
    } catch (cause) {
      if (hasCode(cause, 'ENOENT')) throw repositoryErrors['object-missing']({ name }, { cause });
      throw this.#failed(`read ${name}`, cause);
    }
  }

  async #keepOpen(name: string): Promise<FileHandle> {
    const known = this.#open.get(name);
    if (known) return await known;
    const opening = openRegular(path.join(this.#root, name));
    this.#open.set(name, opening);
    opening.catch(() => this.#open.delete(name));
    const oldest = this.#open.keys().next().value;
    if (this.#open.size > openFilesLimit && oldest !== undefined) await this.#release(oldest);
    return await opening;
  }

  async #release(name: string): Promise<void> {
    const handle = this.#open.get(name);
    this.#open.delete(name);
    // One that could not be opened has been told to whoever asked for it, and needs no closing.
    await (await handle?.catch(() => undefined))?.close();
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectEntry> {
    for await (const relative of this.#files(prefix.replace(/\/$/, ''), 3, signal)) {
      if (!isObjectName(relative)) continue;
      const stat = await lstat(path.join(this.#root, relative)).catch(ignoreMissing);
      if (stat?.isFile()) yield { name: relative, sizeBytes: stat.size, modifiedAt: stat.mtimeMs };
    }
  }

  async listForeign(limit: number, signal?: AbortSignal): Promise<string[]> {
    const foreign: string[] = [];
    for await (const relative of this.#files('', 4, signal, foreign)) {
      if (foreign.length >= limit) break;
      if (!isObjectName(relative) && !relative.startsWith(`${temporaryFolder}/`)) foreign.push(relative);
    }
    return foreign.slice(0, limit);
  }

  /** Regular files below `folder`, at most `depth` folders deep. What is neither file nor folder goes to `odd`. */
  async *#files(folder: string, depth: number, signal?: AbortSignal, odd?: string[]): AsyncIterable<string> {
    signal?.throwIfAborted();
    const absolute = path.join(this.#root, folder);
    const own = await lstat(absolute).catch(ignoreMissing);
    if (!own) return;
    // A link in the place of a folder could point anywhere; only the root itself may be one.
    if (folder !== '' && !own.isDirectory()) return;
    const directory = await opendir(absolute, { bufferSize: 1024 });
    for await (const entry of directory) {
      const relative = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isFile()) yield relative;
      else if (entry.isDirectory() && depth > 0) yield* this.#files(relative, depth - 1, signal, odd);
      else odd?.push(relative);
    }
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    checkObjectName(name);
    signal?.throwIfAborted();
    try {
      await this.#release(name);
      const target = path.join(this.#root, name);
      await unlink(target).catch(ignoreMissing);
      if (!isShortLived(name)) await syncFolder(path.dirname(target)).catch(ignoreMissing);
    } catch (cause) {
      throw this.#failed(`delete ${name}`, cause);
    }
  }

  /** A file's time as the file system gives it: on NFS that is the server's clock. */
  async now(): Promise<number> {
    try {
      await this.#ensureFolder(temporaryFolder);
      const probe = path.join(this.#root, temporaryFolder, randomUUID());
      try {
        await using handle = await open(probe, 'wx', 0o600);
        await handle.write('.');
        return (await handle.stat()).mtimeMs;
      } finally {
        await unlink(probe).catch(ignoreMissing);
      }
    } catch (cause) {
      throw this.#failed('read the clock', cause);
    }
  }

  async retain(name: string): Promise<void> {
    throw this.#failed(`retain ${name}`, new Error('a plain directory cannot refuse deletion'));
  }

  /** Removes temporary files of writers that died, when they are a day old by the store's clock. */
  async tidy(): Promise<void> {
    const now = await this.now();
    for await (const relative of this.#files(temporaryFolder, 0)) {
      const absolute = path.join(this.#root, relative);
      const stat = await lstat(absolute).catch(ignoreMissing);
      if (!stat || now - stat.mtimeMs < temporaryMaxAgeMs) continue;
      await unlink(absolute).catch(ignoreMissing);
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((name) => this.#release(name)));
  }

  async #ensureFolder(folder: string): Promise<void> {
    if (this.#knownFolders.has(folder)) return;
    const absolute = path.join(this.#root, folder);
    const first = await mkdir(absolute, { recursive: true, mode: 0o700 });
    // A new folder's own entry must last as long as the objects in it.
    if (first) await syncFolder(path.dirname(first));
    if (first) await syncFolder(path.dirname(absolute));
    this.#knownFolders.add(folder);
  }

  #failed(action: string, cause: unknown): Error {
    if (cause instanceof Error && cause.name === 'AbortError') return cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    return repositoryErrors.store({ place: this.place, action, reason }, { cause });
  }
}

/** A session means nothing after a power cut, which ended whoever was at work: waiting for the disk would be for nothing. */
function isShortLived(name: string): boolean {
  return name.startsWith('sessions/');
}

async function writeFile(file: string, content: Uint8Array, mayBeLost: boolean): Promise<void> {
  await using handle = await open(file, 'wx', 0o400);
  for (let done = 0; done < content.length; ) {
    done += (await handle.write(content, done, content.length - done)).bytesWritten;
  }
  if (!mayBeLost) await handle.sync();
}

/** O_NONBLOCK: a FIFO planted in the directory must not make a reader wait for ever. */
async function openRegular(file: string): Promise<FileHandle> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw new Error('not a regular file');
}

function isReadInPieces(name: string): boolean {
  return name.startsWith('index/') || name.startsWith('packs/');
}

async function readRange(handle: FileHandle, range: ReadRange): Promise<Buffer> {
  const { size } = await handle.stat();
  const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(range.length, size - range.offset)));
  return buffer.subarray(0, await fill(handle, range.offset, buffer));
}

/** Reads until `target` is full or the file ends. */
async function fill(handle: FileHandle, offset: number, target: Buffer): Promise<number> {
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await handle.read(target, done, target.length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  await handle.sync();
}

function hasCode(cause: unknown, code: string): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === code;
}

/** Another host may have removed the same file: that it is gone is what was wanted. */
function ignoreMissing(cause: unknown): undefined {
  if (!hasCode(cause, 'ENOENT')) throw cause;
}
