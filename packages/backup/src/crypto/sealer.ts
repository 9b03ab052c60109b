/**
 * Sealed chunks: the one way in which bytes of a binary object are protected
 * (docs/formats/repository.md, "Binary objects").
 */
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { keyedHash } from './blake3.ts';
import { objectKey, type RepositoryKeys } from './keys.ts';

export const headerBytes = 64;
export const tagBytes = 16;
const version = 1;

export type ObjectKind = 'P' | 'I' | 'D';

/** Seals and opens the chunks of one object. */
export interface Sealer {
  readonly header: Buffer;
  readonly encrypted: boolean;
  /** `plain` and 16 bytes more. */
  seal(section: number, number: number, plain: Uint8Array, extra?: Uint8Array): Buffer;
  /** The same into memory that is there, at `at`. */
  sealInto(target: Buffer, at: number, section: number, number: number, plain: Uint8Array): void;
  /** The plain text, or null if the chunk is not what was sealed in that place. */
  open(section: number, number: number, sealed: Uint8Array, extra?: Uint8Array): Buffer | null;
}

/** A sealer for a new object: a fresh salt makes a fresh key. */
export function newSealer(keys: RepositoryKeys, kind: ObjectKind, sessionId: Buffer): Sealer {
  const header = Buffer.alloc(headerBytes);
  header.write(`CORRAL${kind}`, 0, 'latin1');
  header[7] = version;
  keys.repositoryId.copy(header, 8);
  sessionId.copy(header, 24);
  randomBytes(24).copy(header, 40);
  return sealerFor(keys, kind, header);
}

/** A sealer for an object that was read, or null if the header is none of this repository's. */
export function openSealer(keys: RepositoryKeys, kind: ObjectKind, header: Buffer): Sealer | null {
  if (header.length < headerBytes) return null;
  const expected = Buffer.concat([
    Buffer.from(`CORRAL${kind}`, 'latin1'),
    Buffer.of(version),
    keys.repositoryId,
  ]);
  if (!header.subarray(0, 24).equals(expected)) return null;
  return sealerFor(keys, kind, Buffer.from(header.subarray(0, headerBytes)));
}

export function sessionOfHeader(header: Buffer): Buffer {
  return header.subarray(24, 40);
}

function sealerFor(keys: RepositoryKeys, kind: ObjectKind, header: Buffer): Sealer {
  const key = objectKey(keys, kind, header.subarray(40, 64));
  return keys.encrypted ? new CipherSealer(header, key) : new ChecksumSealer(header, key);
}

const none = Buffer.alloc(0);

function nonceOf(section: number, number: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32LE(section, 0);
  nonce.writeBigUInt64LE(BigInt(number), 4);
  return nonce;
}

class CipherSealer implements Sealer {
  readonly encrypted = true;
  readonly header: Buffer;
  /** Node makes one of a buffer with each cipher: a third of a block's time. */
  readonly #key: KeyObject;

  constructor(header: Buffer, key: Buffer) {
    this.header = header;
    this.#key = createSecretKey(key);
  }

  seal(section: number, number: number, plain: Uint8Array, extra: Uint8Array = none): Buffer {
    const sealed = Buffer.allocUnsafe(plain.length + tagBytes);
    this.#sealInto(sealed, 0, nonceOf(section, number), plain, Buffer.concat([this.header, extra]));
    return sealed;
  }

  sealInto(target: Buffer, at: number, section: number, number: number, plain: Uint8Array): void {
    this.#sealInto(target, at, nonceOf(section, number), plain, this.header);
  }

  #sealInto(target: Buffer, at: number, nonce: Buffer, plain: Uint8Array, associated: Buffer): void {
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    cipher.setAAD(associated);
    target.set(cipher.update(plain), at);
    cipher.final();
    target.set(cipher.getAuthTag(), at + plain.length);
  }

  open(section: number, number: number, sealed: Uint8Array, extra: Uint8Array = none): Buffer | null {
    if (sealed.length < tagBytes) return null;
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonceOf(section, number), {
      authTagLength: tagBytes,
    });
    decipher.setAAD(extra.length === 0 ? this.header : Buffer.concat([this.header, extra]));
    decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
    const plain = decipher.update(sealed.subarray(0, sealed.length - tagBytes));
    try {
      decipher.final();
      return plain;
    } catch {
      // The one error of final() is a tag that does not fit: the answer is null.
      return null;
    }
  }
}

/** Without encryption the tag is a checksum that knows its place. */
class ChecksumSealer implements Sealer {
  readonly encrypted = false;
  readonly header: Buffer;
  readonly #key: Buffer;

  constructor(header: Buffer, key: Buffer) {
    this.header = header;
    this.#key = key;
  }

  seal(section: number, number: number, plain: Uint8Array, extra: Uint8Array = none): Buffer {
    return Buffer.concat([plain, this.#tag(section, number, plain, extra)]);
  }

  sealInto(target: Buffer, at: number, section: number, number: number, plain: Uint8Array): void {
    target.set(plain, at);
    target.set(this.#tag(section, number, plain, none), at + plain.length);
  }

  open(section: number, number: number, sealed: Uint8Array, extra: Uint8Array = none): Buffer | null {
    if (sealed.length < tagBytes) return null;
    const plain = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength - tagBytes);
    const tag = sealed.subarray(sealed.length - tagBytes);
    return timingSafeEqual(tag, this.#tag(section, number, plain, extra)) ? plain : null;
  }

  #tag(section: number, number: number, plain: Uint8Array, extra: Uint8Array): Buffer {
    return keyedHash(this.#key, nonceOf(section, number), this.header, extra, plain).subarray(0, tagBytes);
  }
}
