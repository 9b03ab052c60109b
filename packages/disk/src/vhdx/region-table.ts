/** The region table: where BAT and metadata lie ([MS-VHDX] 2.2.3). */
import { Buffer } from 'node:buffer';
import type { Range } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import { checksumIsRight, sealChecksum } from './checksum.ts';
import { readGuid, writeGuid } from './guid.ts';
import { alignment, headerSectionBytes, KiB, maxFileBytes } from './limits.ts';

export const regionTableBytes = 64 * KiB;
export const regionTableOffsets = [192 * KiB, 256 * KiB] as const;
export const batGuid = '2dc27766-f623-4200-9d64-115e9bfd4a08';
export const metadataGuid = '8b7ca206-4790-4b9a-b8fe-575f050f886e';

const signature = 'regi';
const checksumOffset = 4;
const tableHeaderBytes = 16;
const entryBytes = 32;
const maxEntries = 2047;

export interface Region extends Range {
  readonly guid: string;
  readonly required: boolean;
}

/** Whether signature and checksum are right; a copy that fails is not used. */
export function regionTableIsWhole(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, 4) === signature && checksumIsRight(bytes, checksumOffset);
}

/** @throws disk.corrupt; disk.unsupported-feature for a required region that is not known */
export function parseRegionTable(bytes: Buffer, path: string): readonly Region[] {
  const count = bytes.readUInt32LE(8);
  if (count > maxEntries)
    throw diskErrors.corrupt({ path, what: `its region table claims ${count} entries` });
  const regions: Region[] = [];
  const seen = new Set<string>();
  for (let index = 0; index < count; index += 1) {
    const region = parseEntry(bytes, tableHeaderBytes + index * entryBytes, path);
    if (seen.has(region.guid)) throw diskErrors.corrupt({ path, what: `it has two regions ${region.guid}` });
    seen.add(region.guid);
    regions.push(region);
  }
  return regions;
}

function parseEntry(bytes: Buffer, at: number, path: string): Region {
  const guid = readGuid(bytes, at);
  const offset = Number(bytes.readBigUInt64LE(at + 16));
  const length = bytes.readUInt32LE(at + 24);
  const required = (bytes.readUInt32LE(at + 28) & 1) === 1;
  const aligned = offset % alignment === 0 && length % alignment === 0;
  if (!aligned || offset < headerSectionBytes || offset + length > maxFileBytes) {
    throw diskErrors.corrupt({ path, what: `its region ${guid} cannot be ${length} bytes at ${offset}` });
  }
  if (required && guid !== batGuid && guid !== metadataGuid) {
    throw diskErrors['unsupported-feature']({
      path,
      feature: `the required region ${guid}`,
      fix: 'Convert the disk with the program that made it.',
    });
  }
  return { guid, offset, length, required };
}

export function encodeRegionTable(regions: readonly Region[]): Buffer {
  const bytes = Buffer.alloc(regionTableBytes);
  bytes.write(signature, 0, 'latin1');
  bytes.writeUInt32LE(regions.length, 8);
  for (const [index, region] of regions.entries()) {
    const at = tableHeaderBytes + index * entryBytes;
    writeGuid(bytes, region.guid, at);
    bytes.writeBigUInt64LE(BigInt(region.offset), at + 16);
    bytes.writeUInt32LE(region.length, at + 24);
    bytes.writeUInt32LE(region.required ? 1 : 0, at + 28);
  }
  sealChecksum(bytes, checksumOffset);
  return bytes;
}

/** @throws disk.corrupt when two of the ranges share a byte; `name` tells which they are. */
export function checkApart(ranges: readonly (Range & { readonly name: string })[], path: string): void {
  const sorted = ranges.filter((range) => range.length > 0).sort((a, b) => a.offset - b.offset);
  for (const [index, range] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next && range.offset + range.length > next.offset) {
      throw diskErrors.corrupt({ path, what: `its ${range.name} and its ${next.name} overlap` });
    }
  }
}
