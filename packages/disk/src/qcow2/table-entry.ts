/**
 * Entries of the L1, L2 and refcount tables ("Cluster mapping" in QEMU's qcow2 specification): 64 bits, big-endian.
 * Offsets leave here as exact numbers. Pure; nothing here knows a file.
 */
import type { Buffer } from 'node:buffer';

/** Bit 63: the target is counted once, so it may be written in place. */
const copiedFlag = 0x8000_0000;
/** Bit 62. */
const compressedFlag = 0x4000_0000;
const offsetHighMask = 0x00ff_ffff;
const offsetLowMask = 0xffff_fe00;

/** An entry of a table as two halves, since bitwise operators see 32 bits. */
export interface RawEntry {
  readonly high: number;
  readonly low: number;
}

export const emptyEntry: RawEntry = { high: 0, low: 0 };

export function readEntry(table: Buffer, at: number): RawEntry {
  return { high: table.readUInt32BE(at), low: table.readUInt32BE(at + 4) };
}

export function writeEntry(table: Buffer, at: number, entry: RawEntry): void {
  table.writeUInt32BE(entry.high, at);
  table.writeUInt32BE(entry.low, at + 4);
}

/** Host offset of a table, cluster or refcount block, bits 9 to 55. */
export function entryOffset(entry: RawEntry): number {
  return (entry.high & offsetHighMask) * 2 ** 32 + ((entry.low & offsetLowMask) >>> 0);
}

export function isCopied(entry: RawEntry): boolean {
  return (entry.high & copiedFlag) !== 0;
}

export function isCompressed(entry: RawEntry): boolean {
  return (entry.high & compressedFlag) !== 0;
}

/** Bit 0 of a standard L2 entry of version 3: reads as zero. */
export function isZeroEntry(entry: RawEntry): boolean {
  return (entry.low & 1) !== 0;
}

export function makeEntry(hostOffset: number, copied: boolean): RawEntry {
  const high = Math.floor(hostOffset / 2 ** 32) | (copied ? copiedFlag : 0);
  return { high: high >>> 0, low: (hostOffset % 2 ** 32) >>> 0 };
}

export function makeZeroEntry(): RawEntry {
  return { high: 0, low: 1 };
}

/** Reserved bits that must be 0 in an entry of the L1 table (bits 0 to 8 and 56 to 62). */
export function l1ReservedBits(entry: RawEntry): boolean {
  return (entry.low & 0x1ff) !== 0 || (entry.high & 0x7f00_0000) !== 0;
}

/** The same of an L2 entry that is not compressed (bits 1 to 8, 56 to 61; bit 0 too in version 2 and in extended entries). */
export function l2ReservedBits(entry: RawEntry, zeroFlagAllowed: boolean): boolean {
  return (entry.low & (zeroFlagAllowed ? 0x1fe : 0x1ff)) !== 0 || (entry.high & 0x3f00_0000) !== 0;
}

export interface CompressedCluster {
  readonly hostOffset: number;
  /** Whole sectors that the data may reach into; its own end is inside. */
  readonly length: number;
}

/** "Compressed Clusters Descriptor": below bit x the offset, from x to 61 the further 512-byte sectors. */
export function compressedCluster(entry: RawEntry, clusterBits: number): CompressedCluster {
  const countBits = clusterBits - 8;
  const offsetHighBits = 30 - countBits;
  const hostOffset = (entry.high & (2 ** offsetHighBits - 1)) * 2 ** 32 + entry.low;
  const furtherSectors = (entry.high & 0x3fff_ffff) >>> offsetHighBits;
  return { hostOffset, length: (furtherSectors + 1) * 512 - (hostOffset % 512) };
}
