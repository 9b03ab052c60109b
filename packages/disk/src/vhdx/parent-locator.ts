/** The parent locator: which file a differencing disk is a difference to ([MS-VHDX] 2.6.2.6). */
import { Buffer } from 'node:buffer';
import type { ParentLink, ParentPath } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import { readGuid, writeGuid, zeroGuid } from './guid.ts';
import { KiB } from './limits.ts';

export const maxLocatorBytes = 64 * KiB;

const vhdxLocatorType = 'b04aefb7-d19e-4a81-b789-25b8e9445913';
const locatorHeaderBytes = 20;
const entryBytes = 12;
const maxPairs = 64;

const pathKeys = {
  relative: 'relative_path',
  absolute: 'absolute_win32_path',
  volume: 'volume_path',
} as const;
const pathOrder = ['relative', 'absolute', 'volume'] as const;

export interface ParentLocator {
  /** DataWriteGuid of the parent, lower case, without braces. */
  readonly linkage: string;
  /** A second identity that is accepted while a merge changes the parent (2.6.2.6.3, note 12). */
  readonly linkage2?: string | undefined;
  readonly paths: readonly ParentPath[];
}

/** @throws disk.corrupt; disk.unsupported-feature for a parent that is no VHDX */
export function parseParentLocator(bytes: Buffer, path: string): ParentLocator {
  const corrupt = (what: string): Error => diskErrors.corrupt({ path, what: `its parent locator ${what}` });
  if (bytes.length < locatorHeaderBytes || bytes.length > maxLocatorBytes) {
    throw corrupt(`has ${bytes.length} bytes`);
  }
  const type = readGuid(bytes, 0);
  if (type !== vhdxLocatorType) {
    throw diskErrors['unsupported-feature']({
      path,
      feature: `a parent of the unknown kind ${type}`,
      fix: 'Merge it into its parent on the system that made it.',
    });
  }
  const count = bytes.readUInt16LE(18);
  if (count > maxPairs || locatorHeaderBytes + count * entryBytes > bytes.length) {
    throw corrupt(`claims ${count} entries`);
  }
  const pairs = new Map<string, string>();
  for (let index = 0; index < count; index += 1) {
    const [key, value] = parsePair(bytes, locatorHeaderBytes + index * entryBytes, corrupt);
    if (pairs.has(key)) throw corrupt(`has the key ${key} twice`);
    pairs.set(key, value);
  }
  return locatorOf(pairs, corrupt);
}

function parsePair(bytes: Buffer, at: number, corrupt: (what: string) => Error): [string, string] {
  const text = (offset: number, length: number): string => {
    if (offset < locatorHeaderBytes || length === 0 || length % 2 !== 0 || offset + length > bytes.length) {
      throw corrupt(`has a text of ${length} bytes at ${offset}`);
    }
    const value = bytes.toString('utf16le', offset, offset + length);
    if (value.includes('\0')) throw corrupt('has a text with a NUL in it');
    return value;
  };
  const key = text(bytes.readUInt32LE(at), bytes.readUInt16LE(at + 8));
  return [key, text(bytes.readUInt32LE(at + 4), bytes.readUInt16LE(at + 10))];
}

function locatorOf(pairs: ReadonlyMap<string, string>, corrupt: (what: string) => Error): ParentLocator {
  const guid = (key: string): string | undefined => {
    const text = pairs.get(key);
    if (text === undefined) return undefined;
    const match = /^\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?$/i.exec(text);
    if (!match) throw corrupt(`has a ${key} that is no GUID`);
    return match[1]!.toLowerCase();
  };
  const linkage = guid('parent_linkage');
  if (linkage === undefined) throw corrupt('has no parent_linkage');
  const linkage2 = guid('parent_linkage2');
  const paths: ParentPath[] = [];
  for (const kind of pathOrder) {
    const path = pairs.get(pathKeys[kind]);
    if (path !== undefined) paths.push({ kind, path });
  }
  if (paths.length === 0) throw corrupt('names no path');
  return { linkage, linkage2: linkage2 === zeroGuid ? undefined : linkage2, paths };
}

export function encodeParentLocator(locator: ParentLocator): Buffer {
  const pairs: [string, string][] = [['parent_linkage', `{${locator.linkage}}`]];
  if (locator.linkage2 !== undefined) pairs.push(['parent_linkage2', `{${locator.linkage2}}`]);
  for (const { kind, path } of locator.paths) pairs.push([pathKeys[kind], path]);
  const texts = pairs.map(
    ([key, value]) => [Buffer.from(key, 'utf16le'), Buffer.from(value, 'utf16le')] as const,
  );
  const table = Buffer.alloc(locatorHeaderBytes + pairs.length * entryBytes);
  writeGuid(table, vhdxLocatorType, 0);
  table.writeUInt16LE(pairs.length, 18);
  let at = table.length;
  for (const [index, [key, value]] of texts.entries()) {
    const entry = locatorHeaderBytes + index * entryBytes;
    table.writeUInt32LE(at, entry);
    table.writeUInt32LE(at + key.length, entry + 4);
    table.writeUInt16LE(key.length, entry + 8);
    table.writeUInt16LE(value.length, entry + 10);
    at += key.length + value.length;
  }
  return Buffer.concat([table, ...texts.flat()]);
}

/**
 * A link as VHDX can store it: with the identity that the parent has now, and relative paths in Windows' manner.
 *
 * @throws disk.unsupported-option
 */
export function locatorFor(link: ParentLink): ParentLocator {
  const refuse = (what: string, fix: string): Error =>
    diskErrors['unsupported-option']({ format: 'vhdx', what, fix });
  if (link.format !== undefined && link.format !== 'vhdx') {
    throw refuse(`its parent must be a VHDX too, not ${link.format}`, 'Convert the parent first.');
  }
  const linkage = link.identity?.dataWriteId;
  if (linkage === undefined)
    throw refuse('the identity of the parent is missing', 'Open the parent to learn it.');
  const paths: ParentPath[] = [];
  for (const kind of pathOrder) {
    const stored = link.paths.find((candidate) => candidate.kind === kind);
    if (stored) paths.push({ kind, path: kind === 'relative' ? windowsRelative(stored.path) : stored.path });
  }
  if (paths.length === 0) throw refuse('the path of the parent is missing', 'Name the file of the parent.');
  const locator = { linkage, linkage2: link.identity2?.dataWriteId, paths };
  if (
    encodeParentLocator(locator).length > maxLocatorBytes ||
    paths.some(({ path }) => path.length > 32_000)
  ) {
    throw refuse('the path of the parent is too long', 'Move the parent to a shorter path.');
  }
  return locator;
}

function windowsRelative(path: string): string {
  const text = path.replaceAll('/', '\\');
  return text.startsWith('.') ? text : `.\\${text}`;
}
