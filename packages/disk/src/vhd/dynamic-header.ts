/** The header of dynamic and differencing VHDs: block table, block size, parent. */
import { Buffer } from 'node:buffer';
import { checksum, readUuid, writeUuid } from './footer.ts';

export const dynamicHeaderBytes = 1024;
const cookie = 'cxsparse';
const checksumOffset = 36;
const parentNameOffset = 64;
const parentNameBytes = 512;
const locatorsOffset = 576;
const locatorEntryBytes = 24;
const maxLocators = 8;

export interface LocatorEntry {
  /** Four letters: W2ku absolute, W2ru relative, both UTF-16LE. */
  readonly platform: string;
  readonly spaceBytes: number;
  readonly length: number;
  readonly fileOffset: number;
}

export interface DynamicHeader {
  readonly tableOffset: number;
  readonly version: number;
  readonly tableEntries: number;
  readonly blockBytes: number;
  readonly parentId: string;
  /** Seconds since 2000 at which the parent was last changed; 0 in files from Windows 10. */
  readonly parentTimestamp: number;
  readonly parentName: string;
  readonly locators: readonly LocatorEntry[];
}

/** Undefined when the cookie or the checksum is wrong. */
export function parseDynamicHeader(bytes: Buffer): DynamicHeader | undefined {
  if (bytes.toString('latin1', 0, 8) !== cookie) return undefined;
  if (bytes.readUInt32BE(checksumOffset) !== checksum(bytes, checksumOffset)) return undefined;
  const locators: LocatorEntry[] = [];
  for (let index = 0; index < maxLocators; index += 1) {
    const at = locatorsOffset + index * locatorEntryBytes;
    if (bytes.readUInt32BE(at) === 0) continue;
    locators.push({
      platform: bytes.toString('latin1', at, at + 4),
      spaceBytes: bytes.readUInt32BE(at + 4),
      length: bytes.readUInt32BE(at + 8),
      fileOffset: Number(bytes.readBigUInt64BE(at + 16)),
    });
  }
  return {
    tableOffset: Number(bytes.readBigUInt64BE(16)),
    version: bytes.readUInt32BE(24),
    tableEntries: bytes.readUInt32BE(28),
    blockBytes: bytes.readUInt32BE(32),
    parentId: readUuid(bytes, 40),
    parentTimestamp: bytes.readUInt32BE(56),
    parentName: readUtf16be(bytes.subarray(parentNameOffset, parentNameOffset + parentNameBytes)),
    locators,
  };
}

export function encodeDynamicHeader(header: DynamicHeader): Buffer {
  const bytes = Buffer.alloc(dynamicHeaderBytes);
  bytes.write(cookie, 0, 'latin1');
  bytes.fill(0xff, 8, 16);
  bytes.writeBigUInt64BE(BigInt(header.tableOffset), 16);
  bytes.writeUInt32BE(header.version, 24);
  bytes.writeUInt32BE(header.tableEntries, 28);
  bytes.writeUInt32BE(header.blockBytes, 32);
  writeUuid(bytes, header.parentId, 40);
  bytes.writeUInt32BE(header.parentTimestamp, 56);
  writeUtf16be(bytes.subarray(parentNameOffset, parentNameOffset + parentNameBytes), header.parentName);
  for (const [index, locator] of header.locators.slice(0, maxLocators).entries()) {
    const at = locatorsOffset + index * locatorEntryBytes;
    bytes.write(locator.platform, at, 4, 'latin1');
    bytes.writeUInt32BE(locator.spaceBytes, at + 4);
    bytes.writeUInt32BE(locator.length, at + 8);
    bytes.writeBigUInt64BE(BigInt(locator.fileOffset), at + 16);
  }
  sealDynamicHeader(bytes);
  return bytes;
}

/**
 * Changes place and length of the table in the bytes of a header and keeps everything else, known or not. Only the first sector changes, so
 * that writing it is one step that happens or does not.
 */
export function switchTable(bytes: Buffer, tableOffset: number, tableEntries: number): void {
  bytes.writeBigUInt64BE(BigInt(tableOffset), 16);
  bytes.writeUInt32BE(tableEntries, 28);
  sealDynamicHeader(bytes);
}

function sealDynamicHeader(bytes: Buffer): void {
  bytes.writeUInt32BE(checksum(bytes, checksumOffset), checksumOffset);
}

function readUtf16be(bytes: Buffer): string {
  return Buffer.from(bytes).swap16().toString('utf16le').split('\0')[0] ?? '';
}

function writeUtf16be(target: Buffer, text: string): void {
  const length = target.write(text, 0, target.length - 2, 'utf16le');
  target.subarray(0, length).swap16();
}
