/**
 * Where the parent of a differencing disk may lie. Pure: the link's text in, plain paths to try out.
 * What a file says here is an attacker's wish until the chain has checked folder and identity.
 */
import { basename, dirname, resolve } from 'node:path';
import type { ParentLink, ParentPath } from './disk.ts';

/** `json:`, `nbd:`, `file:`...; a single letter is a Windows drive. */
const protocol = /^[A-Za-z][A-Za-z0-9+.-]+:/;
const windowsRoot = /^(?:[A-Za-z]:|\\\\)/;

/** Whether QEMU would take the name for something else than a file's path. */
export function hasProtocol(path: string): boolean {
  return protocol.test(path.split('/')[0]!);
}

function fromWindows({ kind, path }: ParentPath, folder: string): string {
  const parts = path.split('\\').filter((part) => part !== '' && part !== '.');
  // No drive or volume of Windows is here: the file is looked for beside its child.
  if (kind !== 'relative' || windowsRoot.test(path)) return resolve(folder, parts.at(-1) ?? '');
  return resolve(folder, ...parts);
}

function place(link: ParentPath, folder: string): string {
  return link.path.includes('\\') ? fromWindows(link, folder) : resolve(folder, link.path);
}

/**
 * Paths to try, best first: what the link says, seen from the child's folder, then, if an identity will tell whether it
 * is the right one, a file of that name in each of `folders`. Names with a protocol or a NUL are left out.
 */
export function parentCandidates(
  childPath: string,
  link: ParentLink,
  folders: readonly string[],
): readonly string[] {
  const usable = link.paths.filter(({ path }) => !hasProtocol(path) && !path.includes('\0') && path !== '');
  const named = usable.map((path) => place(path, dirname(childPath)));
  if (!link.identity) return [...new Set(named)];
  const elsewhere = folders.flatMap((folder) => named.map((path) => resolve(folder, basename(path))));
  return [...new Set([...named, ...elsewhere])];
}

/** Whether `path` lies in `folder` or below; both absolute and without symbolic links. */
export function isWithin(folder: string, path: string): boolean {
  return path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}
