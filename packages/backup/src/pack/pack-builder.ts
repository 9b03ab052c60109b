/** Collects blobs into a pack, seals it, and proves it by opening it again. */
import type { RepositoryKeys } from '../crypto/keys.ts';
import { headerBytes, newSealer, type Sealer, tagBytes } from '../crypto/sealer.ts';
import { repositoryErrors } from '../errors.ts';
import { blockBytes } from '../format/config.ts';
import { type BlobKind, blobKind, storedLength } from '../format/length-word.ts';
import { decodeBlob, encodeBlob, idBytes, isContentOf } from './blob.ts';
import {
  directoryEntryBytes,
  directorySection,
  entryId,
  entryOffset,
  entryWord,
  openDirectory,
  packAim,
  packHash,
} from './pack-format.ts';

export interface FinishedPack {
  /** The pack's name is its hash. */
  readonly hash: string;
  /** At the beginning of the builder's memory. */
  readonly bytes: Buffer;
  /** The plain directory, entries of 40 bytes. */
  readonly entries: Buffer;
}

/** Memory that a builder needs: the aim is passed by one blob at most. Untouched pages of it cost nothing. */
export const builderBytes = packAim + 2 * blockBytes;

export class PackBuilder {
  readonly #keys: RepositoryKeys;
  readonly #kind: BlobKind;
  readonly #sealer: Sealer;
  readonly #bytes: Buffer;
  #used = headerBytes;
  #entries = Buffer.allocUnsafe(64 * directoryEntryBytes);
  #count = 0;

  /** Builds in `memory`, of at least `builderBytes`. */
  constructor(keys: RepositoryKeys, sessionId: Buffer, kind: BlobKind, memory: Buffer) {
    this.#bytes = memory;
    this.#keys = keys;
    this.#kind = kind;
    this.#sealer = newSealer(keys, 'P', sessionId);
    this.#sealer.header.copy(this.#bytes);
  }

  get count(): number {
    return this.#count;
  }

  /** Whether it has reached the size that packs aim at. */
  get isFull(): boolean {
    return this.#used + this.#count * directoryEntryBytes >= packAim;
  }

  add(id: Uint8Array, plain: Uint8Array): void {
    const word = encodeBlob(this.#sealer, this.#bytes, this.#used, this.#kind, plain);
    this.#appendEntry(id, word);
    this.#used += storedLength(word);
  }

  #appendEntry(id: Uint8Array, word: number): void {
    const at = this.#count * directoryEntryBytes;
    if (at === this.#entries.length) {
      this.#entries = Buffer.concat([this.#entries, Buffer.allocUnsafe(this.#entries.length)]);
    }
    this.#entries.set(id, at);
    this.#entries.writeUInt32LE(this.#used, at + idBytes);
    this.#entries.writeUInt32LE(word, at + idBytes + 4);
    this.#count += 1;
  }

  /**
   * Seals the directory and opens the pack again from the bytes that will be stored: every blob must unpack to what
   * its id names.
   *
   * @throws repository.verify-failed
   */
  finish(): FinishedPack {
    const entries = this.#entries.subarray(0, this.#count * directoryEntryBytes);
    const sealed = this.#sealer.seal(directorySection, 0, entries);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(entries.length + tagBytes);
    sealed.copy(this.#bytes, this.#used);
    length.copy(this.#bytes, this.#used + sealed.length);
    const bytes = this.#bytes.subarray(0, this.#used + sealed.length + 4);
    const hash = packHash(this.#keys, bytes).toString('hex');
    const directory = openDirectory(this.#keys, bytes);
    const isSound = directory?.entries.equals(entries) && damagedEntries(this.#keys, bytes).length === 0;
    if (!isSound) throw repositoryErrors['verify-failed']({ what: `Pack ${hash}` });
    return { hash, bytes, entries };
  }
}

/** The numbers of the entries whose blobs do not unpack to what their ids name; throws nothing on damage. */
export function damagedEntries(keys: RepositoryKeys, pack: Buffer): number[] {
  const directory = openDirectory(keys, pack);
  if (!directory) return [-1];
  const damaged: number[] = [];
  for (let at = 0; at < directory.count; at += 1) {
    const word = entryWord(directory, at);
    const offset = entryOffset(directory, at);
    const stored = pack.subarray(offset, offset + storedLength(word));
    const plain = decodeBlob(directory.sealer, offset, word, stored);
    if (!plain || !isContentOf(keys, blobKind(word), entryId(directory, at), plain)) damaged.push(at);
  }
  return damaged;
}
