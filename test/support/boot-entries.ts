/** UEFI boot entries as a guest writes them, and its variables as Linux' efivarfs shows them (UEFI 2.10 section 3.1.3). */
import type { EfiDisk } from './boot-disks.ts';

const globalVariable = '8be4df61-93ca-11d2-aa0d-00e098032b8c';

/** Path of one of the firmware's own variables in a Linux guest. */
export const variablePath = (name: string): string => `/sys/firmware/efi/efivars/${name}-${globalVariable}`;

/** Kept over a restart, to be read before and after the system has taken over. */
const attributes = 7;

export function variable(data: Uint8Array): Buffer {
  return Buffer.concat([uint32(attributes), data]);
}

/** @param file path on the partition, with backslashes */
export function bootEntry(title: string, { partition }: EfiDisk, file: string, commandLine: string): Buffer {
  const path = Buffer.concat([partitionNode(partition), node(4, 4, text(file)), node(0x7f, 0xff)]);
  const active = 1;
  return Buffer.concat([uint32(active), uint16(path.length), text(title), path, text(commandLine)]);
}

/** Section 10.3.5.1: a partition by its GUID, wherever its disk is. */
function partitionNode({ id, firstSector, sectors }: EfiDisk['partition']): Buffer {
  const gpt = 2;
  const byGuid = 2;
  const place = Buffer.alloc(20);
  place.writeUInt32LE(1, 0);
  place.writeBigUInt64LE(BigInt(firstSector), 4);
  place.writeBigUInt64LE(BigInt(sectors), 12);
  return node(4, 1, Buffer.concat([place, guid(id), Buffer.from([gpt, byGuid])]));
}

function node(type: number, subtype: number, data: Uint8Array = new Uint8Array()): Buffer {
  return Buffer.concat([Buffer.from([type, subtype]), uint16(data.length + 4), data]);
}

/** The first three fields are little-endian (appendix A). */
function guid(id: string): Buffer {
  const bytes = Buffer.from(id.replaceAll('-', ''), 'hex');
  return Buffer.concat([
    bytes.subarray(0, 4).reverse(),
    bytes.subarray(4, 6).reverse(),
    bytes.subarray(6, 8).reverse(),
    bytes.subarray(8),
  ]);
}

const text = (value: string): Buffer => Buffer.from(`${value}\0`, 'utf16le');

export function uint16(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeUInt16LE(value);
  return buffer;
}

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}
