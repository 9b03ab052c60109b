/** One entry of the log: a set of 4 KiB sectors to write and ranges to zero ([MS-VHDX] 2.3.1). */
import { Buffer } from 'node:buffer';
import { checksumIsRight, sealChecksum } from './checksum.ts';
import { readGuid, writeGuid } from './guid.ts';
import { alignment, logSectorBytes } from './limits.ts';

const entryHeaderBytes = 64;
const descriptorBytes = 32;
const entrySignature = 'loge';
const zeroSignature = 'zero';
const dataSignature = 'desc';
const sectorSignature = 'data';
const checksumOffset = 4;

export interface LogEntryHeader {
  readonly entryLength: number;
  /** Where in the log the first entry of the sequence lies that ends with this one. */
  readonly tail: number;
  readonly sequenceNumber: bigint;
  readonly descriptorCount: number;
  readonly logGuid: string;
  /** The file was at least this long, for sure. */
  readonly flushedFileOffset: number;
  /** Every structure fits into a file of this length. */
  readonly lastFileOffset: number;
}

export type LogUpdate =
  | { readonly kind: 'data'; readonly fileOffset: number; readonly bytes: Buffer }
  | { readonly kind: 'zero'; readonly fileOffset: number; readonly length: number };

export interface LogEntry {
  readonly header: LogEntryHeader;
  readonly updates: readonly LogUpdate[];
}

function descriptorSectors(count: number): number {
  return Math.ceil((entryHeaderBytes + count * descriptorBytes) / logSectorBytes);
}

/** Length in the log of an entry that writes `sectors` sectors. */
export function entryLength(sectors: number): number {
  return (descriptorSectors(sectors) + sectors) * logSectorBytes;
}

/** How many sectors an entry of at most `bytes` can write. */
export function sectorsThatFit(bytes: number): number {
  let sectors = Math.max(0, Math.floor(bytes / logSectorBytes) - 1);
  while (sectors > 0 && entryLength(sectors) > bytes) sectors -= 1;
  return sectors;
}

/** Fields of the first sector of an entry, if they make sense in a log of `logLength`. */
export function parseEntryHeader(bytes: Buffer, logLength: number): LogEntryHeader | undefined {
  if (bytes.toString('latin1', 0, 4) !== entrySignature) return undefined;
  const header = {
    entryLength: bytes.readUInt32LE(8),
    tail: bytes.readUInt32LE(12),
    sequenceNumber: bytes.readBigUInt64LE(16),
    descriptorCount: bytes.readUInt32LE(24),
    logGuid: readGuid(bytes, 32),
    flushedFileOffset: Number(bytes.readBigUInt64LE(48)),
    lastFileOffset: Number(bytes.readBigUInt64LE(56)),
  };
  const inLog = (value: number): boolean => value % logSectorBytes === 0 && value <= logLength;
  const wellFormed =
    header.entryLength > 0 &&
    inLog(header.entryLength) &&
    inLog(header.tail) &&
    header.tail < logLength &&
    header.sequenceNumber > 0n &&
    descriptorSectors(header.descriptorCount) * logSectorBytes <= header.entryLength &&
    header.flushedFileOffset % alignment === 0 &&
    header.lastFileOffset % alignment === 0;
  return wellFormed ? header : undefined;
}

/**
 * A whole entry from `bytes`, which are exactly its own (put together where it runs around the end of the log).
 * Undefined when anything in it is wrong. The structure is looked at before the checksum is computed: in a log full of
 * entries that claim to be long, every sector is then looked at only once.
 */
export function parseEntry(bytes: Buffer, header: LogEntryHeader): LogEntry | undefined {
  const updates: LogUpdate[] = [];
  let sectorAt = descriptorSectors(header.descriptorCount) * logSectorBytes;
  for (let index = 0; index < header.descriptorCount; index += 1) {
    const at = entryHeaderBytes + index * descriptorBytes;
    if (bytes.readBigUInt64LE(at + 24) !== header.sequenceNumber) return undefined;
    const update = parseDescriptor(bytes, at, sectorAt, header);
    if (!update) return undefined;
    if (update.kind === 'data') sectorAt += logSectorBytes;
    updates.push(update);
  }
  if (sectorAt !== header.entryLength || !checksumIsRight(bytes, checksumOffset)) return undefined;
  return { header, updates };
}

function parseDescriptor(
  bytes: Buffer,
  at: number,
  sectorAt: number,
  header: LogEntryHeader,
): LogUpdate | undefined {
  const signature = bytes.toString('latin1', at, at + 4);
  const fileOffset = Number(bytes.readBigUInt64LE(at + 16));
  if (fileOffset % logSectorBytes !== 0) return undefined;
  if (signature === zeroSignature) {
    const length = Number(bytes.readBigUInt64LE(at + 8));
    return length % logSectorBytes === 0 ? { kind: 'zero', fileOffset, length } : undefined;
  }
  if (signature !== dataSignature || sectorAt + logSectorBytes > header.entryLength) return undefined;
  const sector = bytes.subarray(sectorAt, sectorAt + logSectorBytes);
  const sequence = (BigInt(sector.readUInt32LE(4)) << 32n) | BigInt(sector.readUInt32LE(logSectorBytes - 4));
  if (sector.toString('latin1', 0, 4) !== sectorSignature || sequence !== header.sequenceNumber)
    return undefined;
  const content = Buffer.from(sector);
  bytes.copy(content, 0, at + 8, at + 16);
  bytes.copy(content, logSectorBytes - 4, at + 4, at + 8);
  return { kind: 'data', fileOffset, bytes: content };
}

/** An entry that writes the given sectors; without any it only opens a generation. */
export function encodeEntry(
  fields: Omit<LogEntryHeader, 'entryLength' | 'descriptorCount'>,
  sectors: readonly { readonly fileOffset: number; readonly bytes: Uint8Array }[],
): Buffer {
  const bytes = Buffer.alloc(entryLength(sectors.length));
  bytes.write(entrySignature, 0, 'latin1');
  bytes.writeUInt32LE(bytes.length, 8);
  bytes.writeUInt32LE(fields.tail, 12);
  bytes.writeBigUInt64LE(fields.sequenceNumber, 16);
  bytes.writeUInt32LE(sectors.length, 24);
  writeGuid(bytes, fields.logGuid, 32);
  bytes.writeBigUInt64LE(BigInt(fields.flushedFileOffset), 48);
  bytes.writeBigUInt64LE(BigInt(fields.lastFileOffset), 56);
  let sectorAt = descriptorSectors(sectors.length) * logSectorBytes;
  for (const [index, sector] of sectors.entries()) {
    const at = entryHeaderBytes + index * descriptorBytes;
    bytes.set(sector.bytes, sectorAt);
    bytes.write(dataSignature, at, 'latin1');
    bytes.copy(bytes, at + 4, sectorAt + logSectorBytes - 4, sectorAt + logSectorBytes);
    bytes.copy(bytes, at + 8, sectorAt, sectorAt + 8);
    bytes.writeBigUInt64LE(BigInt(sector.fileOffset), at + 16);
    bytes.writeBigUInt64LE(fields.sequenceNumber, at + 24);
    bytes.write(sectorSignature, sectorAt, 'latin1');
    bytes.writeUInt32LE(Number(fields.sequenceNumber >> 32n), sectorAt + 4);
    bytes.writeUInt32LE(Number(fields.sequenceNumber & 0xffff_ffffn), sectorAt + logSectorBytes - 4);
    sectorAt += logSectorBytes;
  }
  sealChecksum(bytes, checksumOffset);
  return bytes;
}
