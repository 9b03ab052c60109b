/** Paths to the parent of a differencing VHD. */
import { Buffer } from 'node:buffer';
import type { ParentLink, ParentPath, SignalOptions } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import type { BlockFile } from '../file.ts';
import type { DynamicHeader, LocatorEntry } from './dynamic-header.ts';
import { sectorBytes } from './footer.ts';

const maxLocatorBytes = 64 * 2 ** 10;
/** Relative first; the deprecated Wi2r, Wi2k, Mac and MacX are not read. */
const platforms = [
  { platform: 'W2ru', kind: 'relative' },
  { platform: 'W2ku', kind: 'absolute' },
] as const;

/** @throws disk.corrupt; disk.truncated */
export async function readParentLink(
  file: BlockFile,
  header: DynamicHeader,
  options: SignalOptions,
): Promise<ParentLink> {
  const paths: ParentPath[] = [];
  for (const { platform, kind } of platforms) {
    const locator = header.locators.find((entry) => entry.platform === platform);
    if (locator) paths.push({ kind, path: await readPath(file, locator, options) });
  }
  const known = paths.some(({ path }) => path === header.parentName);
  if (header.parentName !== '' && !known) {
    paths.push({ kind: isAbsolute(header.parentName) ? 'absolute' : 'relative', path: header.parentName });
  }
  return { format: 'vhd', paths, identity: { dataWriteId: header.parentId } };
}

async function readPath(file: BlockFile, locator: LocatorEntry, options: SignalOptions): Promise<string> {
  const { length, fileOffset, platform } = locator;
  if (length > maxLocatorBytes || length % 2 !== 0 || fileOffset + length > file.length) {
    const what = `its parent locator ${platform} cannot be ${length} bytes at ${fileOffset}`;
    throw diskErrors.corrupt({ path: file.path, what });
  }
  const bytes = Buffer.alloc(length);
  await file.readExact(bytes, fileOffset, 'parent locator', options);
  return bytes.toString('utf16le').split('\0')[0] ?? '';
}

function isAbsolute(path: string): boolean {
  return /^(?:[a-z]:)?[\\/]/i.test(path);
}

export interface EncodedParent {
  readonly name: string;
  readonly id: string;
  readonly locators: readonly { readonly platform: string; readonly bytes: Buffer }[];
}

/** @throws disk.unsupported-option for a link that a VHD cannot store */
export function encodeParent(link: ParentLink): EncodedParent {
  const refuse = (what: string, fix: string): Error =>
    diskErrors['unsupported-option']({ format: 'vhd', what, fix });
  if (link.format !== undefined && link.format !== 'vhd') {
    throw refuse(`its parent must be a VHD too, not ${link.format}`, 'Convert the parent first.');
  }
  const id = link.identity?.dataWriteId;
  if (id === undefined) throw refuse('the identity of the parent is missing', 'Open the parent to learn it.');
  const locators = [];
  for (const { platform, kind } of platforms) {
    const stored = link.paths.find((candidate) => candidate.kind === kind);
    if (!stored) continue;
    const bytes = Buffer.from(kind === 'relative' ? windowsRelative(stored.path) : stored.path, 'utf16le');
    if (bytes.length > maxLocatorBytes)
      throw refuse('the path of the parent is too long', 'Move the parent.');
    locators.push({ platform, bytes });
  }
  const first = link.paths.find(({ kind }) => kind === 'absolute') ?? link.paths[0];
  if (!first || locators.length === 0)
    throw refuse('the path of the parent is missing', 'Name the file of the parent.');
  // The field holds 255 characters; a cut path would be a wrong one, so a long one is left to the locators.
  const name = first.path.length <= 255 ? first.path : (first.path.split(/[\\/]/).at(-1) ?? '').slice(0, 255);
  return { name, id, locators };
}

function windowsRelative(path: string): string {
  const text = path.replaceAll('/', '\\');
  return text.startsWith('.') ? text : `.\\${text}`;
}

export function locatorSpace(bytes: Buffer): number {
  return Math.ceil(bytes.length / sectorBytes) * sectorBytes;
}
