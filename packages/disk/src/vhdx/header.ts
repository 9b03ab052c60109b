/** File type identifier and the two headers ([MS-VHDX] 2.2.1, 2.2.2). */
import { Buffer } from 'node:buffer';
import { diskErrors } from '../errors.ts';
import { checksumIsRight, sealChecksum } from './checksum.ts';
import { readGuid, writeGuid, zeroGuid } from './guid.ts';
import { alignment, headerSectionBytes, KiB, logSectorBytes, maxFileBytes } from './limits.ts';

export const identifierBytes = 64 * KiB;
export const headerBytes = logSectorBytes;
export const headerOffsets = [64 * KiB, 128 * KiB] as const;

const identifierSignature = 'vhdxfile';
const headerSignature = 'head';
const checksumOffset = 4;

export interface VhdxHeader {
  readonly sequenceNumber: bigint;
  /** Changes before the first change of each opening. */
  readonly fileWriteGuid: string;
  /** Changes before the first change that a guest can see. */
  readonly dataWriteGuid: string;
  /** All zeros: nothing to replay. */
  readonly logGuid: string;
  readonly logVersion: number;
  readonly version: number;
  readonly logLength: number;
  readonly logOffset: number;
}

export function isIdentifier(bytes: Uint8Array): boolean {
  return (
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1', 0, 8) === identifierSignature
  );
}

/** The program that made the file, for people only: it decides nothing (2.2.1). */
export function readCreator(bytes: Buffer): string {
  const text = bytes.toString('utf16le', 8, 8 + 512);
  return (text.split('\0')[0] ?? '').replace(/\p{Cc}/gu, '?');
}

export function encodeIdentifier(creator: string): Buffer {
  const bytes = Buffer.alloc(identifierBytes);
  bytes.write(identifierSignature, 0, 'latin1');
  bytes.write(creator, 8, 510, 'utf16le');
  return bytes;
}

/** Undefined when signature or checksum is wrong: such a header does not count. */
export function parseHeader(bytes: Buffer): VhdxHeader | undefined {
  if (bytes.toString('latin1', 0, 4) !== headerSignature || !checksumIsRight(bytes, checksumOffset))
    return undefined;
  return {
    sequenceNumber: bytes.readBigUInt64LE(8),
    fileWriteGuid: readGuid(bytes, 16),
    dataWriteGuid: readGuid(bytes, 32),
    logGuid: readGuid(bytes, 48),
    logVersion: bytes.readUInt16LE(64),
    version: bytes.readUInt16LE(66),
    logLength: bytes.readUInt32LE(68),
    logOffset: Number(bytes.readBigUInt64LE(72)),
  };
}

export function encodeHeader(header: VhdxHeader): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  bytes.write(headerSignature, 0, 'latin1');
  bytes.writeBigUInt64LE(header.sequenceNumber, 8);
  writeGuid(bytes, header.fileWriteGuid, 16);
  writeGuid(bytes, header.dataWriteGuid, 32);
  writeGuid(bytes, header.logGuid, 48);
  bytes.writeUInt16LE(header.logVersion, 64);
  bytes.writeUInt16LE(header.version, 66);
  bytes.writeUInt32LE(header.logLength, 68);
  bytes.writeBigUInt64LE(BigInt(header.logOffset), 72);
  sealChecksum(bytes, checksumOffset);
  return bytes;
}

export interface CurrentHeader {
  readonly header: VhdxHeader;
  readonly slot: 0 | 1;
  /** The other header is valid too. */
  readonly both: boolean;
}

/**
 * The header that rules. @throws disk.corrupt when none does; disk.unsupported-feature for another version.
 */
export function currentHeader(slots: readonly [Buffer, Buffer], path: string): CurrentHeader {
  const first = parseHeader(slots[0]);
  const second = parseHeader(slots[1]);
  if (!first && !second) throw diskErrors.corrupt({ path, what: 'neither of its two headers is whole' });
  if (first && second && first.sequenceNumber === second.sequenceNumber && !slots[0].equals(slots[1])) {
    throw diskErrors.corrupt({ path, what: 'its two headers have the same sequence number and differ' });
  }
  const slot = !second || (first && first.sequenceNumber >= second.sequenceNumber) ? 0 : 1;
  const header = (slot === 0 ? first : second)!;
  checkHeader(header, path);
  return { header, slot, both: first !== undefined && second !== undefined };
}

function checkHeader(header: VhdxHeader, path: string): void {
  if (header.version !== 1) {
    throw diskErrors['unsupported-feature']({
      path,
      feature: `version ${header.version} of the VHDX format`,
      fix: 'Convert it with the program that made it.',
    });
  }
  if (header.logVersion !== 0 && header.logGuid !== zeroGuid) {
    throw diskErrors['unsupported-feature']({
      path,
      feature: `version ${header.logVersion} of the VHDX log`,
      fix: 'Attach the disk once on the system that wrote it, so that the log is replayed there.',
    });
  }
  const { logOffset, logLength } = header;
  const aligned = logOffset % alignment === 0 && logLength % alignment === 0;
  if (!aligned || logOffset < headerSectionBytes || logOffset + logLength > maxFileBytes) {
    throw diskErrors.corrupt({ path, what: `its log cannot be ${logLength} bytes at ${logOffset}` });
  }
}
