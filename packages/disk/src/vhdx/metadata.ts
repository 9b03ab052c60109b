/** Metadata table and the items that Corral knows ([MS-VHDX] 2.6). */
import { Buffer } from 'node:buffer';
import type { Range } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import { readGuid, writeGuid } from './guid.ts';
import { KiB, MiB, maxBlockBytes, maxSizeBytes, minBlockBytes } from './limits.ts';
import { maxLocatorBytes, type ParentLocator, parseParentLocator } from './parent-locator.ts';
import { checkApart } from './region-table.ts';

export const metadataTableBytes = 64 * KiB;

const signature = 'metadata';
const tableHeaderBytes = 32;
const entryBytes = 32;
const maxEntries = 2047;
const maxUserEntries = 1024;

export const items = {
  fileParameters: 'caa16737-fa36-4d43-b3b6-33f0aa44e76b',
  virtualDiskSize: '2fa54224-cd1b-4876-b211-5dbed83bf4b8',
  virtualDiskId: 'beca12ab-b2e6-4523-93ef-c309e000c746',
  logicalSectorSize: '8141bf1d-a96f-4709-ba47-f233a8faab5f',
  physicalSectorSize: 'cda348c7-445d-4471-9cc9-e9885251c556',
  parentLocator: 'a8d35f2d-b30b-454d-abf7-d3d84834ab0c',
} as const;

/** Exact length of each known item; the locator's has a bound instead. */
const itemBytes: ReadonlyMap<string, number> = new Map([
  [items.fileParameters, 8],
  [items.virtualDiskSize, 8],
  [items.virtualDiskId, 16],
  [items.logicalSectorSize, 4],
  [items.physicalSectorSize, 4],
]);

/** `offset` counts from the start of the metadata region. */
export interface MetadataEntry extends Range {
  readonly itemId: string;
  readonly isUser: boolean;
  readonly isVirtualDisk: boolean;
  readonly isRequired: boolean;
}

export interface VhdxMetadata {
  readonly blockBytes: number;
  /** The file is fully provisioned: a fixed disk. */
  readonly leaveBlockAllocated: boolean;
  readonly sizeBytes: number;
  readonly diskId: string;
  readonly logicalSectorBytes: number;
  readonly physicalSectorBytes: number;
  /** Present exactly in a differencing disk. */
  readonly parent?: ParentLocator | undefined;
}

/** Entries of the table, checked against the region and each other. @throws disk.corrupt; disk.unsupported-feature */
export function parseMetadataTable(
  bytes: Buffer,
  regionLength: number,
  path: string,
): readonly MetadataEntry[] {
  if (bytes.toString('latin1', 0, 8) !== signature)
    throw diskErrors.corrupt({ path, what: 'it has no metadata table' });
  const count = bytes.readUInt16LE(10);
  if (count > maxEntries)
    throw diskErrors.corrupt({ path, what: `its metadata table claims ${count} items` });
  const entries: MetadataEntry[] = [];
  const seen = new Set<string>();
  for (let index = 0; index < count; index += 1) {
    const entry = parseEntry(bytes, tableHeaderBytes + index * entryBytes, regionLength, path);
    const key = `${entry.itemId} ${entry.isUser}`;
    if (seen.has(key))
      throw diskErrors.corrupt({ path, what: `it has the metadata item ${entry.itemId} twice` });
    seen.add(key);
    entries.push(entry);
  }
  if (entries.filter((entry) => entry.isUser).length > maxUserEntries) {
    throw diskErrors.corrupt({ path, what: `it has more than ${maxUserEntries} metadata items of users` });
  }
  checkApart(
    entries.map((entry) => ({ ...entry, name: `metadata item ${entry.itemId}` })),
    path,
  );
  return entries;
}

function parseEntry(bytes: Buffer, at: number, regionLength: number, path: string): MetadataEntry {
  const flags = bytes.readUInt32LE(at + 24);
  const entry = {
    itemId: readGuid(bytes, at),
    offset: bytes.readUInt32LE(at + 16),
    length: bytes.readUInt32LE(at + 20),
    isUser: (flags & 1) !== 0,
    isVirtualDisk: (flags & 2) !== 0,
    isRequired: (flags & 4) !== 0,
  };
  const { itemId, offset, length, isUser } = entry;
  const inside = length === 0 || (offset >= metadataTableBytes && offset + length <= regionLength);
  const known = !isUser && Object.values<string>(items).includes(itemId);
  const rightLength = !known || length === (itemBytes.get(itemId) ?? length);
  if (
    !inside ||
    length > MiB ||
    !rightLength ||
    (itemId === items.parentLocator && length > maxLocatorBytes)
  ) {
    throw diskErrors.corrupt({
      path,
      what: `its metadata item ${itemId} cannot be ${length} bytes at ${offset}`,
    });
  }
  if (entry.isRequired && !known) {
    throw diskErrors['unsupported-feature']({
      path,
      feature: `the required metadata item ${itemId}`,
      fix: 'Convert the disk with the program that made it.',
    });
  }
  return entry;
}

/** What the items say, `contents` by item id. @throws disk.corrupt; disk.unsupported-feature */
export function decodeMetadata(contents: ReadonlyMap<string, Buffer>, path: string): VhdxMetadata {
  const item = (id: string, name: string): Buffer => {
    const bytes = contents.get(id);
    if (!bytes) throw diskErrors.corrupt({ path, what: `its metadata has no ${name}` });
    return bytes;
  };
  const parameters = item(items.fileParameters, 'file parameters');
  const flags = parameters.readUInt32LE(4);
  const sizes = {
    blockBytes: parameters.readUInt32LE(0),
    sizeBytes: Number(item(items.virtualDiskSize, 'virtual disk size').readBigUInt64LE(0)),
    logicalSectorBytes: item(items.logicalSectorSize, 'logical sector size').readUInt32LE(0),
    physicalSectorBytes: item(items.physicalSectorSize, 'physical sector size').readUInt32LE(0),
  };
  checkSizes(sizes, path);
  const hasParent = (flags & 2) !== 0;
  return {
    ...sizes,
    leaveBlockAllocated: (flags & 1) !== 0 && !hasParent,
    diskId: readGuid(item(items.virtualDiskId, 'virtual disk id'), 0),
    parent: hasParent ? parseParentLocator(item(items.parentLocator, 'parent locator'), path) : undefined,
  };
}

function checkSizes(
  sizes: Pick<VhdxMetadata, 'blockBytes' | 'sizeBytes' | 'logicalSectorBytes' | 'physicalSectorBytes'>,
  path: string,
): void {
  const { blockBytes, sizeBytes, logicalSectorBytes, physicalSectorBytes } = sizes;
  const wrong = (what: string, bytes: number): Error =>
    diskErrors.corrupt({ path, what: `its ${what} cannot be ${bytes} bytes` });
  if (!isBlockSize(blockBytes)) throw wrong('block size', blockBytes);
  if (!isSectorSize(logicalSectorBytes)) throw wrong('logical sector size', logicalSectorBytes);
  if (!isSectorSize(physicalSectorBytes)) throw wrong('physical sector size', physicalSectorBytes);
  if (sizeBytes === 0 || sizeBytes > maxSizeBytes || sizeBytes % logicalSectorBytes !== 0) {
    throw wrong('virtual size', sizeBytes);
  }
}

export function isBlockSize(bytes: number): boolean {
  return bytes >= minBlockBytes && bytes <= maxBlockBytes && Number.isInteger(Math.log2(bytes));
}

export function isSectorSize(bytes: number): boolean {
  return bytes === 512 || bytes === 4096;
}

/** Item contents of a new file, in the order in which they are stored. */
export function encodeItems(
  metadata: VhdxMetadata,
  encodedLocator: Buffer | undefined,
): ReadonlyMap<string, Buffer> {
  const parameters = Buffer.alloc(8);
  parameters.writeUInt32LE(metadata.blockBytes, 0);
  parameters.writeUInt32LE((metadata.leaveBlockAllocated ? 1 : 0) | (encodedLocator ? 2 : 0), 4);
  const id = Buffer.alloc(16);
  writeGuid(id, metadata.diskId, 0);
  const u32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  const contents = new Map<string, Buffer>([
    [items.fileParameters, parameters],
    [items.virtualDiskSize, encodeSize(metadata.sizeBytes)],
    [items.virtualDiskId, id],
    [items.logicalSectorSize, u32(metadata.logicalSectorBytes)],
    [items.physicalSectorSize, u32(metadata.physicalSectorBytes)],
  ]);
  if (encodedLocator) contents.set(items.parentLocator, encodedLocator);
  return contents;
}

export function encodeSize(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(sizeBytes));
  return bytes;
}

/** Items whose IsVirtualDisk is false: they belong to the file, not to the disk in it (2.6.2). */
const fileItems: readonly string[] = [items.fileParameters, items.parentLocator];

/** The metadata region of a new file: the table, then the items one after another from 64 KiB on. */
export function encodeMetadataRegion(contents: ReadonlyMap<string, Buffer>, regionLength: number): Buffer {
  const bytes = Buffer.alloc(regionLength);
  bytes.write(signature, 0, 'latin1');
  bytes.writeUInt16LE(contents.size, 10);
  let at = metadataTableBytes;
  for (const [index, [id, content]] of [...contents].entries()) {
    writeTableEntry(bytes, index, {
      itemId: id,
      offset: at,
      length: content.length,
      isUser: false,
      isVirtualDisk: !fileItems.includes(id),
      isRequired: true,
    });
    content.copy(bytes, at);
    at += content.length;
  }
  return bytes;
}

export function writeTableEntry(table: Buffer, index: number, entry: MetadataEntry): void {
  const at = tableHeaderBytes + index * entryBytes;
  writeGuid(table, entry.itemId, at);
  table.writeUInt32LE(entry.offset, at + 16);
  table.writeUInt32LE(entry.length, at + 20);
  const flags = (entry.isUser ? 1 : 0) | (entry.isVirtualDisk ? 2 : 0) | (entry.isRequired ? 4 : 0);
  table.writeUInt32LE(flags, at + 24);
}
