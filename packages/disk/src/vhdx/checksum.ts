/** CRC-32C over a structure whose own checksum field counts as zero ([MS-VHDX] 2). */
import { Buffer } from 'node:buffer';
import { createRequire } from 'node:module';

/** Loaded at its first use: a daemon that never sees a VHDX does without the 3 MiB of this addon. */
let addon: typeof import('@node-rs/crc32') | undefined;
const require = createRequire(import.meta.url);

function crc32c(bytes: Buffer, initial?: number): number {
  addon ??= require('@node-rs/crc32') as typeof import('@node-rs/crc32');
  return addon.crc32c(bytes, initial);
}

const zeroField = Buffer.alloc(4);

/** `bytes` stays as it is. */
export function checksum(bytes: Buffer, fieldOffset: number): number {
  const before = crc32c(bytes.subarray(0, fieldOffset));
  return crc32c(bytes.subarray(fieldOffset + 4), crc32c(zeroField, before));
}

export function checksumIsRight(bytes: Buffer, fieldOffset: number): boolean {
  return checksum(bytes, fieldOffset) === bytes.readUInt32LE(fieldOffset);
}

export function sealChecksum(bytes: Buffer, fieldOffset: number): void {
  bytes.writeUInt32LE(checksum(bytes, fieldOffset), fieldOffset);
}
