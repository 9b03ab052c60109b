/** GUIDs as VHDX stores them: the first three fields little-endian, the rest as bytes ([MS-VHDX] 2.2.2). */
import type { Buffer } from 'node:buffer';
import { randomUUID } from 'node:crypto';

export const zeroGuid = '00000000-0000-0000-0000-000000000000';

/** Lower case, without braces. */
export function readGuid(bytes: Buffer, offset: number): string {
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
  return [
    hex(bytes.readUInt32LE(offset), 8),
    hex(bytes.readUInt16LE(offset + 4), 4),
    hex(bytes.readUInt16LE(offset + 6), 4),
    bytes.toString('hex', offset + 8, offset + 10),
    bytes.toString('hex', offset + 10, offset + 16),
  ].join('-');
}

export function writeGuid(bytes: Buffer, guid: string, offset: number): void {
  const digits = guid.replaceAll('-', '');
  bytes.writeUInt32LE(Number.parseInt(digits.slice(0, 8), 16), offset);
  bytes.writeUInt16LE(Number.parseInt(digits.slice(8, 12), 16), offset + 4);
  bytes.writeUInt16LE(Number.parseInt(digits.slice(12, 16), 16), offset + 6);
  bytes.write(digits.slice(16), offset + 8, 'hex');
}

export function newGuid(): string {
  return randomUUID();
}
