/** One blob: compress, seal, and the way back with every length bounded. */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { asBuffer, keyedHash } from '../crypto/blake3.ts';
import type { RepositoryKeys } from '../crypto/keys.ts';
import { type Sealer, tagBytes } from '../crypto/sealer.ts';
import { blockBytes, fanOut } from '../format/config.ts';
import { type BlobKind, blobKind, isCompressed, lengthWord, storedLength } from '../format/length-word.ts';

/** The section of blobs in a pack; their number is their offset. */
export const blobSection = 1;
export const idBytes = 32;
/** A node: its level, then its ids. */
export const nodeBytes = 1 + fanOut * idBytes;

const compression = { [constants.ZSTD_c_compressionLevel]: 1 };
/** An output chunk that holds the most there can be: nothing is copied together (a sixth faster). */
const outputMargin = 1024;
/** Ids are hashes: what compresses in a node is the zero ids, and fewer than these do not pay. */
const worthwhileZeroIds = 3;

export function blockId(keys: RepositoryKeys, content: Uint8Array): Buffer {
  return keyedHash(keys.block, content);
}

export function nodeId(keys: RepositoryKeys, content: Uint8Array): Buffer {
  return keyedHash(keys.node, content);
}

/** What a blob of this kind may unpack to. */
export function plainLimit(kind: BlobKind): number {
  return kind === 'node' ? nodeBytes : blockBytes;
}

export interface EncodedBlob {
  readonly stored: Buffer;
  readonly word: number;
}

/** Compressed only where that saves a thirty-second: less is not worth the time of unpacking. */
export function encodeBlob(sealer: Sealer, offset: number, kind: BlobKind, plain: Uint8Array): EncodedBlob {
  const packed = kind === 'node' && isDense(plain) ? null : compress(kind, plain);
  const compressed = packed !== null && packed.length + (plain.length >>> 5) < plain.length;
  const body = compressed ? packed : asBuffer(plain);
  const stored = sealer.encrypted ? sealer.seal(blobSection, offset, body) : body;
  return { stored, word: lengthWord(stored.length, compressed, kind) };
}

function compress(kind: BlobKind, plain: Uint8Array): Buffer {
  const chunkSize = plainLimit(kind) + outputMargin;
  return zstdCompressSync(plain, { params: compression, pledgedSrcSize: plain.length, chunkSize });
}

/** Whether a node has hardly a zero id. An id that is none and begins with four zero bytes does no harm. */
function isDense(node: Uint8Array): boolean {
  const words = asBuffer(node);
  let zeroIds = 0;
  for (let at = 1; at < node.length && zeroIds < worthwhileZeroIds; at += idBytes) {
    if (words.readUInt32LE(at) === 0) zeroIds += 1;
  }
  return zeroIds < worthwhileZeroIds;
}

/** The content, or null if it is damaged. The caller compares its hash with the id. */
export function decodeBlob(sealer: Sealer, offset: number, word: number, stored: Uint8Array): Buffer | null {
  const limit = plainLimit(blobKind(word));
  const overhead = sealer.encrypted ? tagBytes : 0;
  if (stored.length !== storedLength(word) || stored.length > limit + overhead) return null;
  const body = sealer.encrypted ? sealer.open(blobSection, offset, stored) : asBuffer(stored);
  if (!body || !isCompressed(word)) return body;
  try {
    // A bomb stops at the limit.
    return zstdDecompressSync(body, { maxOutputLength: limit, chunkSize: limit });
  } catch {
    // Damaged or larger than a blob may be: both are damage to the caller.
    return null;
  }
}

/** Whether `plain` is what `id` names. */
export function isContentOf(
  keys: RepositoryKeys,
  kind: BlobKind,
  id: Uint8Array,
  plain: Uint8Array,
): boolean {
  return keyedHash(kind === 'node' ? keys.node : keys.block, plain).equals(id);
}
