/**
 * A chain of differencing disks, found by the identity that the format stores and stacked into one disk.
 *
 * Images are hostile: a parent is opened only if it lies in an allowed folder, if its format is recorded in the link,
 * and if it is what the child was made on. By default the folder of the topmost file is allowed, with all below it.
 */
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isCorralError } from '@corral/core/errors';
import { ChainDisk } from './chain-disk.ts';
import type { Disk, DiskFormat, DiskIdentity, ParentLink, SignalOptions } from './disk.ts';
import { openLayer } from './drivers.ts';
import { diskErrors } from './errors.ts';
import { pendingMergeOf } from './merge-record.ts';
import { hasProtocol, isWithin, parentCandidates } from './parent-path.ts';

const maxDepth = 256;

export interface ChainOptions extends SignalOptions {
  /** Of the topmost file; its parents are always opened for reading only. */
  readonly readOnly: boolean;
  /** Of the topmost file; recognised from its content by default. */
  readonly format?: DiskFormat | undefined;
  /** Folders in which parents may lie, besides the topmost file's own. Parents that moved are looked for there too. */
  readonly allowedFolders?: readonly string[] | undefined;
  /** Open what a merge that was interrupted left behind; for the merge that finishes it. */
  readonly duringMerge?: boolean | undefined;
}

/** A file of a chain, topmost first. */
export interface ChainLayer {
  readonly disk: Disk;
  /** Without symbolic links. */
  readonly path: string;
  /** Whether an identity proved that this is the parent its child was made on; absent for the topmost. */
  readonly proved?: boolean;
}

/**
 * Opens the files of a chain one after another, topmost first. A layer that was yielded belongs to the caller, also
 * when the walk fails after it.
 *
 * @throws disk.parent-missing, -changed, -cycle, -outside, -mismatch, -unnamed; disk.chain-too-deep; what drivers throw
 */
export async function* walkChain(path: string, options: ChainOptions): AsyncGenerator<ChainLayer> {
  const top = await existingPath(path);
  const folders = [dirname(top)];
  for (const folder of options.allowedFolders ?? []) folders.push(await existingPath(folder));
  const seen = new Map<string, string>([[await fileKey(top), top]]);
  let layer: ChainLayer = { disk: await openLayer(top, options), path: top };
  yield layer;
  while (layer.disk.info.parent) {
    if (seen.size === maxDepth) throw diskErrors['chain-too-deep']({ path: top, depth: maxDepth });
    layer = await openParent(layer, layer.disk.info.parent, folders, seen, options);
    seen.set(await fileKey(layer.path), layer.path);
    yield layer;
  }
}

/** The disk as a guest sees it, chain and all. Closing it closes every file. */
export async function openChain(path: string, options: ChainOptions): Promise<ChainDisk> {
  const layers: ChainLayer[] = [];
  try {
    for await (const layer of walkChain(path, options)) layers.push(layer);
    return new ChainDisk(layers);
  } catch (cause) {
    for (const { disk } of layers) await disk.close();
    throw cause;
  }
}

async function existingPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (cause) {
    throw diskErrors['not-found']({ path }, { cause });
  }
}

/** The same file under two names is one. */
async function fileKey(path: string): Promise<string> {
  const { dev, ino } = await stat(path, { bigint: true });
  return `${dev}:${ino}`;
}

async function openParent(
  child: ChainLayer,
  link: ParentLink,
  folders: readonly string[],
  seen: ReadonlyMap<string, string>,
  options: ChainOptions,
): Promise<ChainLayer> {
  const tried = parentCandidates(child.path, link, folders);
  if (tried.length === 0) throw unnamed(child.path, link);
  let problem: Error | undefined;
  for (const candidate of tried) {
    const path = await findFile(candidate);
    if (path === undefined) continue;
    const found = await tryParent(child, link, path, folders, seen, options);
    if (!(found instanceof Error)) return found;
    problem ??= found;
  }
  throw problem ?? diskErrors['parent-missing']({ path: child.path, tried });
}

function unnamed(path: string, link: ParentLink): Error {
  const name = link.paths[0]?.path ?? '';
  const reason = hasProtocol(name) ? 'that is no path of a file' : 'that is no usable path';
  return diskErrors['parent-unnamed']({
    path,
    name,
    reason,
    fix: 'Give it a parent that is a file in its folder.',
  });
}

/** The file itself, or the only one that differs in upper and lower case: links from Windows do not mind. */
async function findFile(path: string): Promise<string | undefined> {
  const exact = await realpath(path).catch(missing);
  if (exact !== undefined) return exact;
  const names = await readdir(dirname(path)).catch(missing);
  const wanted = basename(path).toLowerCase();
  const alike = (names ?? []).filter((name) => name.toLowerCase() === wanted);
  return alike.length === 1 ? await realpath(join(dirname(path), alike[0]!)).catch(missing) : undefined;
}

/** A path that is not there, or leads through something that is no folder, is only one more that was tried. */
function missing(cause: unknown): undefined {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') return undefined;
  throw cause;
}

/** The parent, or why this file cannot be it, so that the next candidate gets its turn. */
async function tryParent(
  child: ChainLayer,
  link: ParentLink,
  path: string,
  folders: readonly string[],
  seen: ReadonlyMap<string, string>,
  options: ChainOptions,
): Promise<ChainLayer | Error> {
  if (!folders.some((folder) => isWithin(folder, path))) {
    return diskErrors['parent-outside']({ path: child.path, parent: path, allowed: folders });
  }
  if (seen.has(await fileKey(path))) {
    return diskErrors['parent-cycle']({ path, chain: [...seen.values(), path] });
  }
  if (!link.format) {
    const fix = `Record it: qemu-img rebase -u -F FORMAT -b NAME ${child.path}`;
    const reason = 'does not say of which format that is, and a guest could choose one by what it writes';
    return diskErrors['parent-unnamed']({ path: child.path, name: path, reason, fix });
  }
  const { signal } = options;
  const disk = await openLayer(path, { readOnly: true, format: link.format, signal }).catch(asProblem);
  if (disk instanceof Error) return disk;
  const problem = await checkIdentity(child, link, disk, options);
  if (!problem) return { disk, path, proved: link.identity?.dataWriteId !== undefined };
  await disk.close();
  return problem;
}

/** A candidate that is no disk of that format; anything unexpected goes on. */
function asProblem(cause: unknown): Error {
  if (isCorralError(cause)) return cause;
  throw cause;
}

function identityDiffers(expected: DiskIdentity, found: DiskIdentity): boolean {
  if (expected.dataWriteId !== undefined && expected.dataWriteId !== found.dataWriteId) return true;
  return expected.id !== undefined && expected.id !== found.id;
}

async function checkIdentity(
  child: ChainLayer,
  link: ParentLink,
  parent: Disk,
  options: ChainOptions,
): Promise<Error | undefined> {
  const expected = [link.identity, link.identity2].filter((identity) => identity !== undefined);
  const found = parent.info.identity;
  if (expected.length === 0 || !expected.every((identity) => identityDiffers(identity, found)))
    return undefined;
  if (await pendingMergeOf(child.path, parent.path)) {
    if (options.duringMerge) return undefined;
    return diskErrors['merge-unfinished']({ path: child.path, parent: parent.path });
  }
  const text = ({ dataWriteId, id }: DiskIdentity): string => dataWriteId ?? id ?? 'none';
  return diskErrors['parent-changed']({
    path: child.path,
    parent: parent.path,
    expected: text(expected[0]!),
    found: text(found),
  });
}
