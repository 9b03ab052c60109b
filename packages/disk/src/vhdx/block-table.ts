/** Arithmetic of the block allocation table and its entries ([MS-VHDX] 2.4, 2.5). */
import type { Buffer } from 'node:buffer';
import { MiB } from './limits.ts';
import type { VhdxMetadata } from './metadata.ts';

export const entryBytes = 8;
/** A sector bitmap block, whatever the block size. */
export const bitmapBlockBytes = MiB;
const sectorsPerBitmapBlock = 2 ** 23;

export const payloadState = {
  notPresent: 0,
  undefined: 1,
  zero: 2,
  unmapped: 3,
  fullyPresent: 6,
  partiallyPresent: 7,
} as const;

export const bitmapState = { notPresent: 0, present: 6 } as const;

export interface BatEntry {
  readonly state: number;
  /** Bytes from the start of the file; means something only in states that are present. */
  readonly fileOffset: number;
}

export const absentEntry: BatEntry = { state: payloadState.notPresent, fileOffset: 0 };
export const zeroEntry: BatEntry = { state: payloadState.zero, fileOffset: 0 };

export function readEntry(bytes: Buffer, at: number): BatEntry {
  const low = bytes.readUInt32LE(at);
  const high = bytes.readUInt32LE(at + 4);
  return { state: low & 7, fileOffset: (high * 4096 + (low >>> 20)) * MiB };
}

/** Bits 3 to 19, which should be zero. */
export function reservedBits(bytes: Buffer, at: number): number {
  return (bytes.readUInt32LE(at) >>> 3) & 0x1ffff;
}

export function writeEntry(bytes: Buffer, entry: BatEntry, at: number): void {
  const offsetMiB = entry.fileOffset / MiB;
  bytes.writeUInt32LE((((offsetMiB % 4096) << 20) | entry.state) >>> 0, at);
  bytes.writeUInt32LE(Math.floor(offsetMiB / 4096), at + 4);
}

export function hasContent(entry: BatEntry): boolean {
  return entry.state === payloadState.fullyPresent || entry.state === payloadState.partiallyPresent;
}

/** How many entries the BAT of a disk has and which is whose. */
export class BatLayout {
  readonly blockBytes: number;
  readonly sizeBytes: number;
  readonly sectorBytes: number;
  /** Payload blocks to one sector bitmap block. */
  readonly chunkRatio: number;
  readonly payloadBlocks: number;
  readonly chunks: number;
  readonly entries: number;

  constructor(
    disk: Pick<VhdxMetadata, 'blockBytes' | 'sizeBytes' | 'logicalSectorBytes'>,
    hasParent: boolean,
  ) {
    this.blockBytes = disk.blockBytes;
    this.sizeBytes = disk.sizeBytes;
    this.sectorBytes = disk.logicalSectorBytes;
    this.chunkRatio = (sectorsPerBitmapBlock * disk.logicalSectorBytes) / disk.blockBytes;
    this.payloadBlocks = Math.ceil(disk.sizeBytes / disk.blockBytes);
    this.chunks = Math.ceil(this.payloadBlocks / this.chunkRatio);
    this.entries = hasParent
      ? this.chunks * (this.chunkRatio + 1)
      : this.payloadBlocks + Math.floor((this.payloadBlocks - 1) / this.chunkRatio);
  }

  get tableBytes(): number {
    return this.entries * entryBytes;
  }

  payloadIndex(block: number): number {
    return block + Math.floor(block / this.chunkRatio);
  }

  bitmapIndex(chunk: number): number {
    return chunk * (this.chunkRatio + 1) + this.chunkRatio;
  }

  /** The payload block of an entry, undefined for a sector bitmap entry. */
  blockOfIndex(index: number): number | undefined {
    const inChunk = index % (this.chunkRatio + 1);
    return inChunk === this.chunkRatio
      ? undefined
      : Math.floor(index / (this.chunkRatio + 1)) * this.chunkRatio + inChunk;
  }

  chunkOf(block: number): number {
    return Math.floor(block / this.chunkRatio);
  }

  /** Byte in the chunk's bitmap block where the bits of a payload block begin. */
  bitmapOffset(block: number): number {
    return (block % this.chunkRatio) * this.bitmapBytes;
  }

  /** Bytes of bitmap that a payload block has. */
  get bitmapBytes(): number {
    return this.blockBytes / this.sectorBytes / 8;
  }

  /** Bytes of a block that lie inside the disk. */
  usedBytes(block: number): number {
    return Math.min(this.blockBytes, this.sizeBytes - block * this.blockBytes);
  }
}
