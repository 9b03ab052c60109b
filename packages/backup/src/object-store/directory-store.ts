/**
 * A store in a directory, local or on NFS.
 *
 * Put: write to `tmp/`, sync, `link(2)` to the name (which fails if the name is taken: the one primitive that is
 * atomic on NFS too), sync the folder, unlink the temporary name. Readers never see half an object.
 * The directory may be hostile: names come from listings only if they match the format's patterns, links
 * are not followed, and nothing but a regular file is opened for reading.
 * It may vanish while it is used, when its file system is unmounted: it is held open and reached through its descriptor,
 * so nothing goes below the bare mount point, and nothing is put any more once its path leads elsewhere. Reads go on in
 * the directory that is held, or, where that fails, in the same repository at the path.
 */

import { randomUUID } from 'node:crypto';
import { type FileHandle, lstat, open, opendir, unlink } from 'node:fs/promises';
import path from 'node:path';
import { syncFolder } from '@corral/disk/sync';
import { repositoryErrors } from '../errors.ts';
import { HeldDirectory, withoutDescriptors } from './held-directory.ts';
import {
  fill,
  hasCode,
  ignoreMissing,
  makeFolder,
  openRegular,
  publish,
  readRange,
  readRegular,
  writeFile,
} from './object-files.ts';
import {
  checkObjectName,
  isObjectName,
  type ObjectEntry,
  type ObjectStore,
  type PutOptions,
  type ReadRange,
} from './object-store.ts';
import { storeFailure } from './store-failure.ts';

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
  #held: Promise<HeldDirectory> | undefined;
  readonly #lost: HeldDirectory[] = [];
  readonly #writing = new Set<Promise<unknown>>();
  /** The object `config` as it was first read: tells this repository from others. */
  #config: Buffer | undefined;
  /** It was found again at its path. What was put before may not be in it: only whoever begins anew may put. */
  #wasLost = false;

  constructor(root: string) {
    this.#root = path.resolve(root);
    this.place = this.#root;
  }

  async put(name: string, content: Uint8Array, options: PutOptions = {}): Promise<'stored' | 'exists'> {
    checkObjectName(name);
    options.signal?.throwIfAborted();
    return await this.#write(`put ${name}`, async () => {
      const held = await this.#makeAndHold();
      if (this.#wasLost || !(await held.isInPlace())) throw this.#placeChanged();
      await this.#ensureFolder(held, temporaryFolder);
      await this.#ensureFolder(held, path.posix.dirname(name));
      const temporary = held.pathOf(`${temporaryFolder}/${randomUUID()}`);
      try {
        await writeFile(temporary, content);
        return await publish(temporary, held.pathOf(name), isShortLived(name));
      } finally {
        await unlink(temporary).catch(ignoreMissing);
      }
    });
  }

  /** While it is under way no descriptor is closed: its number would be that of the next file which somebody opens. */
  async #write<T>(action: string, work: () => Promise<T>): Promise<T> {
    const writing = work();
    this.#writing.add(writing);
    try {
      return await writing;
    } catch (cause) {
      throw this.#failed(action, cause);
    } finally {
      this.#writing.delete(writing);
    }
  }

  async read(name: string, range?: ReadRange, signal?: AbortSignal): Promise<Buffer> {
    checkObjectName(name);
    signal?.throwIfAborted();
    const content = await this.#reading(name, async (held) => {
      if (range && isReadInPieces(name)) return await readRange(await this.#keepOpen(held, name), range);
      return await readRegular(held.pathOf(name), range);
    });
    if (name === 'config') this.#config ??= content;
    return content;
  }

  async readInto(name: string, offset: number, target: Buffer, signal?: AbortSignal): Promise<number> {
    checkObjectName(name);
    signal?.throwIfAborted();
    return await this.#reading(
      name,
      async (held) => await fill(await this.#keepOpen(held, name), offset, target),
    );
  }

  /** @throws repository.object-missing, repository.place-changed, repository.store */
  async #reading<T>(name: string, read: (held: HeldDirectory) => Promise<T>): Promise<T> {
    try {
      const held = await this.#hold();
      try {
        return await read(held);
      } catch (cause) {
        if (await held.isInPlace()) throw cause;
        if (await this.#findAgain(held)) return await read(await this.#hold());
        throw this.#placeChanged(cause);
      }
    } catch (cause) {
      if (hasCode(cause, 'ENOENT')) throw repositoryErrors['object-missing']({ name }, { cause });
      throw this.#failed(`read ${name}`, cause);
    }
  }

  /** Takes the directory at the path instead of one that cannot be read any more, if the same repository lies there. */
  async #findAgain(lost: HeldDirectory): Promise<boolean> {
    if ((await this.#hold()) !== lost) return true;
    const known = this.#config;
    const found = known && (await HeldDirectory.open(this.#root).catch(ignoreMissing));
    if (!found) return false;
    const range = { offset: 0, length: known.length + 1 };
    const config = await readRegular(found.pathOf('config'), range).catch(ignoreMissing);
    const isSame = config?.equals(known);
    const isFirst = (await this.#hold()) === lost;
    if (!isSame || !isFirst) {
      await found.close();
      return !isFirst;
    }
    this.#wasLost = true;
    this.#lost.push(lost);
    this.#held = Promise.resolve(found);
    this.#knownFolders.clear();
    await this.#releaseAll();
    return true;
  }

  /** @throws the system's error when it is not there */
  #hold(): Promise<HeldDirectory> {
    if (this.#held) return this.#held;
    const holding = HeldDirectory.open(this.#root);
    this.#held = holding;
    holding.catch(() => {
      if (this.#held === holding) this.#held = undefined;
    });
    return holding;
  }

  /** Only before anything of it was held: one that vanished is not made again. */
  async #makeAndHold(): Promise<HeldDirectory> {
    try {
      return await this.#hold();
    } catch (cause) {
      if (!hasCode(cause, 'ENOENT')) throw cause;
      await makeFolder(this.#root);
      return await this.#hold();
    }
  }

  async #keepOpen(held: HeldDirectory, name: string): Promise<FileHandle> {
    const known = this.#open.get(name);
    if (known) return await known;
    const opening = openRegular(held.pathOf(name));
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

  async #releaseAll(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((name) => this.#release(name)));
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectEntry> {
    for await (const { relative, absolute } of this.#files(prefix.replace(/\/$/, ''), 3, signal)) {
      if (!isObjectName(relative)) continue;
      const stat = await lstat(absolute).catch(ignoreMissing);
      if (stat?.isFile()) yield { name: relative, sizeBytes: stat.size, modifiedAt: stat.mtimeMs };
    }
  }

  async listForeign(limit: number, signal?: AbortSignal): Promise<string[]> {
    const foreign: string[] = [];
    for await (const { relative } of this.#files('', 4, signal, foreign)) {
      if (foreign.length >= limit) break;
      if (!isObjectName(relative) && !relative.startsWith(`${temporaryFolder}/`)) foreign.push(relative);
    }
    return foreign.slice(0, limit);
  }

  async *#files(
    folder: string,
    depth: number,
    signal?: AbortSignal,
    odd?: string[],
  ): AsyncIterable<FoundFile> {
    try {
      const held = await this.#hold().catch(ignoreMissing);
      if (held) yield* filesBelow(held, folder, depth, signal, odd);
    } catch (cause) {
      signal?.throwIfAborted();
      throw this.#failed(`list ${folder}`, cause);
    }
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    checkObjectName(name);
    signal?.throwIfAborted();
    await this.#write(`delete ${name}`, async () => {
      await this.#release(name);
      const held = await this.#hold().catch(ignoreMissing);
      if (!held) return;
      await unlink(held.pathOf(name)).catch(ignoreMissing);
      if (isShortLived(name)) return;
      await syncFolder(held.pathOf(path.posix.dirname(name))).catch(ignoreMissing);
    });
  }

  /** A file's time as the file system gives it: on NFS that is the server's clock. */
  async now(): Promise<number> {
    return await this.#write('read the clock', async () => {
      const held = await this.#makeAndHold();
      await this.#ensureFolder(held, temporaryFolder);
      const probe = held.pathOf(`${temporaryFolder}/${randomUUID()}`);
      try {
        await using handle = await open(probe, 'wx', 0o600);
        await handle.write('.');
        return (await handle.stat()).mtimeMs;
      } finally {
        await unlink(probe).catch(ignoreMissing);
      }
    });
  }

  async retain(name: string): Promise<void> {
    throw this.#failed(`retain ${name}`, new Error('a plain directory cannot refuse deletion'));
  }

  /** Removes temporary files of writers that died, when they are a day old by the store's clock. */
  async tidy(): Promise<void> {
    const now = await this.now();
    await this.#write('tidy', async () => {
      for await (const { absolute } of this.#files(temporaryFolder, 0)) {
        const stat = await lstat(absolute).catch(ignoreMissing);
        if (!stat || now - stat.mtimeMs < temporaryMaxAgeMs) continue;
        await unlink(absolute).catch(ignoreMissing);
      }
    });
  }

  async close(): Promise<void> {
    const held = await this.#held?.catch(ignoreMissing);
    this.#held = undefined;
    this.#wasLost = false;
    await this.#releaseAll();
    const directories = [...(held ? [held] : []), ...this.#lost.splice(0)];
    const closeAll = () => Promise.all(directories.map((directory) => directory.close()));
    if (this.#writing.size === 0) await closeAll();
    // A write that hangs keeps nobody waiting who was cancelled.
    else void Promise.allSettled(this.#writing).then(closeAll);
  }

  async #ensureFolder(held: HeldDirectory, folder: string): Promise<void> {
    if (this.#knownFolders.has(folder)) return;
    await makeFolder(held.pathOf(folder));
    this.#knownFolders.add(folder);
  }

  #placeChanged(cause?: unknown): Error {
    return repositoryErrors['place-changed']({ place: this.place }, { cause });
  }

  #failed(action: string, cause: unknown): Error {
    const text = cause instanceof Error ? cause.message : String(cause);
    return storeFailure(this.place, action, cause, withoutDescriptors(text, this.place));
  }
}

interface FoundFile {
  /** To the store's directory. */
  readonly relative: string;
  /** While the directory is held. */
  readonly absolute: string;
}

/** Regular files below `folder`, at most `depth` folders deep. What is neither file nor folder goes to `odd`. */
async function* filesBelow(
  held: HeldDirectory,
  folder: string,
  depth: number,
  signal?: AbortSignal,
  odd?: string[],
): AsyncIterable<FoundFile> {
  signal?.throwIfAborted();
  const own = await lstat(held.pathOf(folder)).catch(ignoreMissing);
  // A link in the place of a folder could point anywhere; only the root itself may be one.
  if (!own || (folder !== '' && !own.isDirectory())) return;
  const directory = await opendir(held.pathOf(folder), { bufferSize: 1024 });
  for await (const entry of directory) {
    const relative = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isFile()) yield { relative, absolute: held.pathOf(relative) };
    else if (entry.isDirectory() && depth > 0) yield* filesBelow(held, relative, depth - 1, signal, odd);
    else odd?.push(relative);
  }
}

/** A session means nothing after a power cut, which ended whoever was at work: its name is not waited for. */
function isShortLived(name: string): boolean {
  return name.startsWith('sessions/');
}

function isReadInPieces(name: string): boolean {
  return name.startsWith('index/') || name.startsWith('packs/');
}
