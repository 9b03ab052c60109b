/** CRC-32C over a structure whose own checksum field counts as zero ([MS-VHDX] 2). */
import { Buffer } from 'node:buffer';
import { crc32c } from '@node-rs/crc32';

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
