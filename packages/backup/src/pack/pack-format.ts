/** Layout of a pack (docs/formats/repository.md, "Pack"). */

import { keyedHash } from '../crypto/blake3.ts';
import type { RepositoryKeys } from '../crypto/keys.ts';
import { headerBytes, openSealer, type Sealer, tagBytes } from '../crypto/sealer.ts';
import { storedLength } from '../format/length-word.ts';
import { idBytes } from './blob.ts';

export const directorySection = 2;
export const directoryEntryBytes = 40;
export const packAim = 8 * 2 ** 20;
export const packLimit = 64 * 2 ** 20;
const directoryLimit = 2 ** 20;

/** Entries of 40 bytes: id, offset, length word. */
export interface PackDirectory {
  readonly sealer: Sealer;
  readonly count: number;
  readonly entries: Buffer;
}

export function packName(hash: string): string {
  return `packs/${hash.slice(0, 2)}/${hash}`;
}

export function packHash(keys: RepositoryKeys, bytes: Uint8Array): Buffer {
  return keyedHash(keys.name, bytes);
}

export function entryId(directory: PackDirectory, at: number): Buffer {
  return directory.entries.subarray(at * directoryEntryBytes, at * directoryEntryBytes + idBytes);
}

export function entryOffset(directory: PackDirectory, at: number): number {
  return directory.entries.readUInt32LE(at * directoryEntryBytes + idBytes);
}

export function entryWord(directory: PackDirectory, at: number): number {
  return directory.entries.readUInt32LE(at * directoryEntryBytes + idBytes + 4);
}

/** The length of the sealed directory by the last 4 bytes of a pack, or null if no pack can have it. */
export function sealedDirectoryLength(packBytes: number, lastFour: Buffer): number | null {
  if (lastFour.length !== 4) return null;
  const length = lastFour.readUInt32LE(0);
  const plain = length - tagBytes;
  const fits = headerBytes + length + 4 <= packBytes && packBytes <= packLimit;
  return fits &&
    plain >= 0 &&
    plain % directoryEntryBytes === 0 &&
    plain / directoryEntryBytes <= directoryLimit
    ? length
    : null;
}

/** Opens the directory of a whole pack, or null if it is damaged. Entries lie within the pack. */
export function openDirectory(keys: RepositoryKeys, pack: Buffer): PackDirectory | null {
  const length = sealedDirectoryLength(pack.length, pack.subarray(-4));
  if (length === null) return null;
  const sealed = pack.subarray(pack.length - 4 - length, pack.length - 4);
  return openSealedDirectory(keys, pack, sealed, pack.length - 4 - length);
}

/** The same from its parts, for a reader that fetched only header and directory. */
export function openSealedDirectory(
  keys: RepositoryKeys,
  header: Buffer,
  sealed: Buffer,
  blobsEnd: number,
): PackDirectory | null {
  const sealer = openSealer(keys, 'P', header);
  const entries = sealer?.open(directorySection, 0, sealed);
  if (!sealer || !entries) return null;
  const directory = { sealer, entries, count: entries.length / directoryEntryBytes };
  for (let at = 0; at < directory.count; at += 1) {
    const offset = entryOffset(directory, at);
    if (offset < headerBytes || offset + storedLength(entryWord(directory, at)) > blobsEnd) return null;
  }
  return directory;
}
