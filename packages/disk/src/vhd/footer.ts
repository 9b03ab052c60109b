/** The footer of a VHD, its copy at the front, and the size of the disk (docs/formats/vhd.md). Big-endian throughout. */
import { Buffer } from 'node:buffer';

export const sectorBytes = 512;
export const footerBytes = 512;
const cookie = 'conectix';
const checksumOffset = 64;
/** Seconds from 1970 to the beginning of 2000. */
const epochSeconds = 946_684_800;

export const vhdType = { fixed: 2, dynamic: 3, differencing: 4 } as const;

/** No sector number of a file reaches further; Hyper-V and QEMU stop at 2,040 GiB. */
export const maxSizeBytes = 0xff00_0000 * sectorBytes;

export interface Geometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
}

export interface VhdFooter {
  readonly features: number;
  readonly version: number;
  /** Of the dynamic header; undefined in a fixed disk, which stores all ones. */
  readonly dataOffset: number | undefined;
  /** Seconds since 2000. */
  readonly timestamp: number;
  readonly creator: string;
  readonly creatorVersion: number;
  readonly creatorHost: string;
  readonly originalSizeBytes: number;
  readonly currentSizeBytes: number;
  readonly geometry: Geometry;
  readonly type: number;
  /** UUID in lower case, in the order of its bytes. */
  readonly uniqueId: string;
  readonly savedState: boolean;
}

/** RFC 3339. */
export function createdAt({ timestamp }: VhdFooter): string {
  return new Date((epochSeconds + timestamp) * 1000).toISOString();
}

/** One's complement of the sum of all bytes but those of the checksum. */
export function checksum(bytes: Uint8Array, fieldOffset: number): number {
  let sum = 0;
  for (const [index, byte] of bytes.entries())
    if (index < fieldOffset || index >= fieldOffset + 4) sum += byte;
  return ~sum >>> 0;
}

export function hasCookie(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, 8) === cookie;
}

/** Undefined when the cookie or the checksum is wrong: such a footer does not count. */
export function parseFooter(bytes: Buffer): VhdFooter | undefined {
  if (!hasCookie(bytes) || bytes.readUInt32BE(checksumOffset) !== checksum(bytes, checksumOffset))
    return undefined;
  const dataOffset = bytes.readBigUInt64BE(16);
  return {
    features: bytes.readUInt32BE(8),
    version: bytes.readUInt32BE(12),
    dataOffset: dataOffset === 0xffff_ffff_ffff_ffffn ? undefined : Number(dataOffset),
    timestamp: bytes.readUInt32BE(24),
    creator: bytes.toString('latin1', 28, 32),
    creatorVersion: bytes.readUInt32BE(32),
    creatorHost: bytes.toString('latin1', 36, 40),
    originalSizeBytes: Number(bytes.readBigUInt64BE(40)),
    currentSizeBytes: Number(bytes.readBigUInt64BE(48)),
    geometry: { cylinders: bytes.readUInt16BE(56), heads: bytes[58]!, sectorsPerTrack: bytes[59]! },
    type: bytes.readUInt32BE(60),
    uniqueId: readUuid(bytes, 68),
    savedState: bytes[84] !== 0,
  };
}

export function encodeFooter(footer: VhdFooter): Buffer {
  const bytes = Buffer.alloc(footerBytes);
  bytes.write(cookie, 0, 'latin1');
  bytes.writeUInt32BE(footer.features, 8);
  bytes.writeUInt32BE(footer.version, 12);
  bytes.writeBigUInt64BE(
    footer.dataOffset === undefined ? 0xffff_ffff_ffff_ffffn : BigInt(footer.dataOffset),
    16,
  );
  bytes.writeUInt32BE(footer.timestamp, 24);
  bytes.write(footer.creator, 28, 4, 'latin1');
  bytes.writeUInt32BE(footer.creatorVersion, 32);
  bytes.write(footer.creatorHost, 36, 4, 'latin1');
  bytes.writeBigUInt64BE(BigInt(footer.originalSizeBytes), 40);
  bytes.writeBigUInt64BE(BigInt(footer.currentSizeBytes), 48);
  bytes.writeUInt16BE(footer.geometry.cylinders, 56);
  bytes[58] = footer.geometry.heads;
  bytes[59] = footer.geometry.sectorsPerTrack;
  bytes.writeUInt32BE(footer.type, 60);
  writeUuid(bytes, footer.uniqueId, 68);
  bytes[84] = footer.savedState ? 1 : 0;
  bytes.writeUInt32BE(checksum(bytes, checksumOffset), checksumOffset);
  return bytes;
}

export function readUuid(bytes: Buffer, offset: number): string {
  const hex = bytes.toString('hex', offset, offset + 16);
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

export function writeUuid(bytes: Buffer, uuid: string, offset: number): void {
  bytes.write(uuid.replaceAll('-', ''), offset, 'hex');
}

/** The footer of a new disk, with the creator that Hyper-V and QEMU believe the exact size of. */
export function newFooter(
  fields: Pick<VhdFooter, 'dataOffset' | 'type' | 'uniqueId' | 'currentSizeBytes'>,
  now: Date,
): VhdFooter {
  return {
    ...fields,
    features: 2,
    version: 0x1_0000,
    timestamp: Math.max(0, Math.floor(now.getTime() / 1000) - epochSeconds) >>> 0,
    creator: 'win ',
    creatorVersion: 0xa_0000,
    creatorHost: 'Wi2k',
    originalSizeBytes: fields.currentSizeBytes,
    geometry: geometryOf(fields.currentSizeBytes),
    savedState: false,
  };
}

const largestGeometry: Geometry = { cylinders: 65_535, heads: 16, sectorsPerTrack: 255 };

function geometrySectors(geometry: Geometry): number {
  return geometry.cylinders * geometry.heads * geometry.sectorsPerTrack;
}

/** Cylinders, heads and sectors of a size, as the appendix of the specification computes them. Never describes more. */
export function geometryOf(sizeBytes: number): Geometry {
  const total = Math.min(Math.floor(sizeBytes / sectorBytes), geometrySectors(largestGeometry));
  if (total >= 65_535 * 16 * 63) {
    return { cylinders: Math.floor(total / (255 * 16)), heads: 16, sectorsPerTrack: 255 };
  }
  let sectorsPerTrack = 17;
  let tracks = Math.floor(total / sectorsPerTrack);
  let heads = Math.max(4, Math.floor((tracks + 1023) / 1024));
  if (tracks >= heads * 1024 || heads > 16) {
    sectorsPerTrack = 31;
    heads = 16;
    tracks = Math.floor(total / sectorsPerTrack);
  }
  if (tracks >= heads * 1024) {
    sectorsPerTrack = 63;
    heads = 16;
    tracks = Math.floor(total / sectorsPerTrack);
  }
  return { cylinders: Math.floor(tracks / heads), heads, sectorsPerTrack };
}

/** Virtual PC, Virtual Server and QEMU's older images show the disk that the geometry describes. */
const creatorsByGeometry: readonly string[] = ['vpc ', 'vs  ', 'qemu'];

/** Size of the disk in bytes, by its creator's custom. */
export function diskSize(footer: VhdFooter): number {
  const sectors = geometrySectors(footer.geometry);
  const byGeometry =
    creatorsByGeometry.includes(footer.creator) && sectors !== geometrySectors(largestGeometry);
  return byGeometry ? sectors * sectorBytes : footer.currentSizeBytes;
}
