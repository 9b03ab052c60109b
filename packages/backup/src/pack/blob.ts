/** One blob: compress, seal, and the way back with every length bounded. */
import { asBuffer, keyedHash } from '../crypto/blake3.ts';
import type { RepositoryKeys } from '../crypto/keys.ts';
import { type Sealer, tagBytes } from '../crypto/sealer.ts';
import { blockBytes, fanOut } from '../format/config.ts';
import { type BlobKind, blobKind, isCompressed, lengthWord, storedLength } from '../format/length-word.ts';
import { Zstd } from './zstd.ts';

/** The section of blobs in a pack; their number is their offset. */
export const blobSection = 1;
export const idBytes = 32;
/** A node: its level, then its ids. */
export const nodeBytes = 1 + fanOut * idBytes;

/** Of this thread; made when it is first needed, for a daemon that backs nothing up has no use for its memory. */
let ownZstd: Zstd | undefined;

function zstd(): Zstd {
  ownZstd ??= new Zstd(blockBytes);
  return ownZstd;
}

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

/**
 * Compressed only where that saves a thirty-second: less is not worth the time of unpacking. Its offset in the pack is its
 * place in `target`. @returns its length word
 */
export function encodeBlob(
  sealer: Sealer,
  target: Buffer,
  offset: number,
  kind: BlobKind,
  plain: Uint8Array,
): number {
  const packed = kind === 'node' && isDense(plain) ? null : zstd().compress(plain);
  const compressed = packed !== null && packed.length + (plain.length >>> 5) < plain.length;
  const body = compressed ? packed : plain;
  if (!sealer.encrypted) {
    target.set(body, offset);
    return lengthWord(body.length, compressed, kind);
  }
  sealer.sealInto(target, offset, blobSection, offset, body);
  return lengthWord(body.length + tagBytes, compressed, kind);
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

/**
 * The content, or null if it is damaged; in memory that the next call may use again. The caller compares its hash with the id.
 *
 * @param target where what has to be unpacked is put, more than it may have
 */
export function decodeBlob(
  sealer: Sealer,
  offset: number,
  word: number,
  stored: Uint8Array,
  target?: Buffer,
): Buffer | null {
  const limit = plainLimit(blobKind(word));
  const overhead = sealer.encrypted ? tagBytes : 0;
  if (stored.length !== storedLength(word) || stored.length > limit + overhead) return null;
  const body = sealer.encrypted ? sealer.open(blobSection, offset, stored) : asBuffer(stored);
  return body && isCompressed(word) ? zstd().decompress(body, limit, target) : body;
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
