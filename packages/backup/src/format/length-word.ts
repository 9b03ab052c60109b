/** The length word of a blob: bits 0-23 stored bytes, bit 30 compressed, bit 31 node. */
const lengthMask = 0xff_ffff;
const compressedBit = 0x4000_0000;
const nodeBit = 0x8000_0000;

export type BlobKind = 'block' | 'node';

export function lengthWord(storedBytes: number, compressed: boolean, kind: BlobKind): number {
  return (storedBytes | (compressed ? compressedBit : 0) | (kind === 'node' ? nodeBit : 0)) >>> 0;
}

export function storedLength(word: number): number {
  return word & lengthMask;
}

export function isCompressed(word: number): boolean {
  return (word & compressedBit) !== 0;
}

export function blobKind(word: number): BlobKind {
  return (word & nodeBit) !== 0 ? 'node' : 'block';
}
