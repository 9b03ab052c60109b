/** Reads what the helper VM printed. It has a foreign file system mounted: nothing that it says is believed. Pure. */
import type { BackupFile } from '@corral/api/schemas/restore';

/** So many entries are kept in an operation's output. */
export const mostEntries = 1_000;

const attributesLine = /^([0-9a-f]{1,8}) (\d{1,16}) (-?\d{1,12})$/;
/** stat(2), `st_mode`. */
const typeMask = 0o170000;
const types: ReadonlyMap<number, BackupFile['type']> = new Map([
  [0o040000, 'directory'],
  [0o100000, 'file'],
  [0o120000, 'link'],
]);

/**
 * @param names separated by zero bytes, paths or not
 * @param attributes one line for each: mode in hexadecimal, size, seconds since 1970
 * @returns sorted by name; null when the two do not fit each other
 */
export function parseListing(names: Buffer, attributes: Buffer): BackupFile[] | null {
  const paths = names
    .toString('utf8')
    .split('\0')
    .filter((path) => path !== '');
  const lines = attributes
    .toString('latin1')
    .split('\n')
    .filter((line) => line !== '');
  if (paths.length !== lines.length) return null;
  const files: BackupFile[] = [];
  for (const [index, path] of paths.entries()) {
    const match = attributesLine.exec(lines[index]!);
    if (!match) return null;
    const modified = new Date(Number(match[3]) * 1000);
    files.push({
      name: path.slice(path.lastIndexOf('/') + 1),
      type: types.get(Number.parseInt(match[1]!, 16) & typeMask) ?? 'other',
      sizeBytes: Math.min(Number(match[2]), Number.MAX_SAFE_INTEGER),
      modifiedAt: Number.isNaN(modified.getTime()) ? null : modified.toISOString(),
    });
  }
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Size, and the path in the helper VM. */
export function parseFile(output: Buffer): { readonly sizeBytes: number; readonly path: string } | null {
  const text = output.toString('utf8');
  const at = text.indexOf('\n');
  const size = text.slice(0, at);
  const path = text.slice(at + 1);
  return /^\d{1,15}$/.test(size) && path.startsWith('/') ? { sizeBytes: Number(size), path } : null;
}
