/**
 * The header and its extensions ("Header" and "Header extensions" in QEMU's qcow2 specification), read from bytes and
 * written back. Everything in it may be hostile: all that a reader relies on is checked here.
 */
import { Buffer } from 'node:buffer';
import { diskErrors } from '../errors.ts';
import {
  maxBackingNameBytes,
  maxClusterBits,
  maxDiskBytes,
  maxExtensions,
  maxL1Bytes,
  maxRefcountTableBytes,
  maxSnapshots,
  minClusterBits,
  minExtendedClusterBits,
} from './limits.ts';

export const magic = 0x5146_49fb;

export const incompatible = { dirty: 0, corrupt: 1, externalData: 2, compression: 3, extendedL2: 4 } as const;
export const autoclear = { bitmaps: 0, rawExternalData: 1 } as const;
export const compatible = { lazyRefcounts: 0 } as const;

export type Compression = 'zlib' | 'zstd';

export const extensionType = {
  end: 0,
  backingFormat: 0xe279_2aca,
  featureNames: 0x6803_f857,
  bitmaps: 0x2385_2875,
  encryption: 0x0537_be77,
  externalDataName: 0x4441_5441,
} as const;

export interface HeaderExtension {
  readonly type: number;
  readonly data: Buffer;
}

export interface Header {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  readonly sizeBytes: number;
  readonly l1Entries: number;
  readonly l1Offset: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
  readonly snapshotCount: number;
  readonly snapshotsOffset: number;
  readonly incompatibleFeatures: bigint;
  readonly compatibleFeatures: bigint;
  readonly autoclearFeatures: bigint;
  readonly refcountBits: number;
  readonly compression: Compression;
  /** Bytes of the fixed part as the file has it; what lies behind those that we know is kept. */
  readonly fixedPart: Buffer;
  readonly extensions: readonly HeaderExtension[];
  readonly backingName?: string;
}

export function hasFeature(features: bigint, bit: number): boolean {
  return ((features >> BigInt(bit)) & 1n) === 1n;
}

export function withFeature(features: bigint, bit: number, on: boolean): bigint {
  const mask = 1n << BigInt(bit);
  return on ? features | mask : features & ~mask;
}

const version2Length = 72;
export const version3Length = 104;

class HeaderReader {
  readonly path: string;
  readonly bytes: Buffer;

  constructor(path: string, bytes: Uint8Array) {
    this.path = path;
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  fail(what: string): never {
    throw diskErrors.corrupt({ path: this.path, what: `its qcow2 header ${what}` });
  }

  refuse(feature: string, fix: string): never {
    throw diskErrors['unsupported-feature']({ path: this.path, feature, fix });
  }

  /** A 64-bit number that must stay exact. */
  number64(at: number, what: string): number {
    const value = this.bytes.readBigUInt64BE(at);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.fail(`has an absurd ${what}`);
    return Number(value);
  }
}

/**
 * Reads a header from the file's first bytes: the whole first cluster, or all there is.
 *
 * @throws disk.unknown-format; disk.corrupt; disk.unsupported-feature, naming it
 */
export function parseHeader(path: string, bytes: Uint8Array): Header {
  const reader: HeaderReader = new HeaderReader(path, bytes);
  const header = reader.bytes;
  if (header.length < version2Length || header.readUInt32BE(0) !== magic) {
    throw diskErrors['unknown-format']({ path, expected: 'a qcow2 disk' });
  }
  const version = header.readUInt32BE(4);
  if (version !== 2 && version !== 3)
    reader.refuse(`qcow2 version ${version}`, 'Convert it with the program that made it.');
  if (version === 3 && header.length < version3Length) reader.fail('is cut short');
  const fixedLength = version === 2 ? version2Length : header.readUInt32BE(100);
  const clusterBits = header.readUInt32BE(20);
  if (clusterBits < minClusterBits || clusterBits > maxClusterBits)
    reader.fail(`has cluster_bits ${clusterBits}`);
  const firstCluster = Math.min(header.length, 2 ** clusterBits);
  if (
    version === 3 &&
    (fixedLength < version3Length || fixedLength % 8 !== 0 || fixedLength > firstCluster)
  ) {
    reader.fail(`says that it is ${fixedLength} bytes long`);
  }
  const backing = backingName(reader, firstCluster);
  const extensionsEnd = backing ? backing.offset : firstCluster;
  const extensions = parseExtensions(reader, fixedLength, extensionsEnd);
  const features = parseFeatures(reader, version, fixedLength, extensions);
  if (hasFeature(features.incompatible, incompatible.extendedL2) && clusterBits < minExtendedClusterBits) {
    reader.fail('has subclusters smaller than a sector');
  }
  return {
    version,
    clusterBits,
    sizeBytes: diskSize(reader),
    l1Entries: header.readUInt32BE(36),
    l1Offset: tableOffset(reader, 40, 'L1 table', clusterBits),
    refcountTableOffset: tableOffset(reader, 48, 'refcount table', clusterBits),
    refcountTableClusters: header.readUInt32BE(56),
    snapshotCount: header.readUInt32BE(60),
    snapshotsOffset:
      header.readUInt32BE(60) === 0 ? 0 : tableOffset(reader, 64, 'snapshot table', clusterBits),
    incompatibleFeatures: features.incompatible,
    compatibleFeatures: features.compatible,
    autoclearFeatures: features.autoclear,
    refcountBits: refcountBits(reader, version),
    compression: features.compression,
    fixedPart: Buffer.from(header.subarray(0, fixedLength)),
    extensions,
    ...(backing ? { backingName: backing.name } : {}),
  };
}

function diskSize(reader: HeaderReader): number {
  const sizeBytes = reader.number64(24, 'disk size');
  if (sizeBytes > maxDiskBytes) reader.fail('has an absurd disk size');
  return sizeBytes;
}

function tableOffset(reader: HeaderReader, at: number, what: string, clusterBits: number): number {
  const offset = reader.number64(at, `offset of its ${what}`);
  if (offset % 2 ** clusterBits !== 0) reader.fail(`has a ${what} that is not aligned`);
  return offset;
}

function refcountBits(reader: HeaderReader, version: 2 | 3): number {
  const order = version === 2 ? 4 : reader.bytes.readUInt32BE(96);
  if (order > 6) reader.fail(`has refcount_order ${order}`);
  return 2 ** order;
}

function backingName(
  reader: HeaderReader,
  firstCluster: number,
): { name: string; offset: number } | undefined {
  const offset = reader.number64(8, 'offset of its backing file name');
  const length = reader.bytes.readUInt32BE(16);
  if (offset === 0) return undefined;
  if (length > maxBackingNameBytes || offset + length > firstCluster || offset < version2Length) {
    reader.fail('has a backing file name outside its first cluster');
  }
  const name = reader.bytes.subarray(offset, offset + length).toString('utf8');
  if (name === '' || name.includes('\0')) reader.fail('has a backing file name that is no name');
  return { name, offset };
}

function parseExtensions(reader: HeaderReader, start: number, end: number): readonly HeaderExtension[] {
  const extensions: HeaderExtension[] = [];
  let at = start;
  while (at + 8 <= end) {
    const type = reader.bytes.readUInt32BE(at);
    if (type === extensionType.end) break;
    const length = reader.bytes.readUInt32BE(at + 4);
    if (length > end - at - 8) reader.fail(`has an extension of ${length} bytes, more than fits`);
    if (extensions.length === maxExtensions) reader.fail('has too many extensions');
    extensions.push({ type, data: Buffer.from(reader.bytes.subarray(at + 8, at + 8 + length)) });
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return extensions;
}

interface Features {
  readonly incompatible: bigint;
  readonly compatible: bigint;
  readonly autoclear: bigint;
  readonly compression: Compression;
}

function parseFeatures(
  reader: HeaderReader,
  version: 2 | 3,
  fixedLength: number,
  extensions: readonly HeaderExtension[],
): Features {
  const { bytes } = reader;
  const encryption = bytes.readUInt32BE(32);
  if (encryption !== 0) {
    const name =
      { 1: 'AES encryption', 2: 'LUKS encryption' }[encryption] ?? `encryption method ${encryption}`;
    reader.refuse(name, 'Decrypt it with "qemu-img convert" first.');
  }
  if (version === 2) return { incompatible: 0n, compatible: 0n, autoclear: 0n, compression: 'zlib' };
  const features = bytes.readBigUInt64BE(72);
  refuseUnknown(reader, features, extensions);
  if (hasFeature(features, incompatible.externalData)) {
    reader.refuse('an external data file', 'Convert it with "qemu-img convert" to a disk that is one file.');
  }
  const type = fixedLength > version3Length ? bytes[104]! : 0;
  if (type > 1) reader.refuse(`compression type ${type}`, 'Convert it with the program that made it.');
  if ((type !== 0) !== hasFeature(features, incompatible.compression)) {
    reader.fail('contradicts itself on the compression type');
  }
  return {
    incompatible: features,
    compatible: bytes.readBigUInt64BE(80),
    autoclear: bytes.readBigUInt64BE(88),
    compression: type === 0 ? 'zlib' : 'zstd',
  };
}

const knownIncompatible = Object.values(incompatible).reduce((mask, bit) => withFeature(mask, bit, true), 0n);

function refuseUnknown(reader: HeaderReader, features: bigint, extensions: readonly HeaderExtension[]): void {
  const unknown = features & ~knownIncompatible;
  if (unknown === 0n) return;
  const bits = Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => hasFeature(unknown, bit));
  const names = bits.map((bit) => featureName(bit, extensions));
  reader.refuse(
    `unknown incompatible features (${names.join(', ')})`,
    'Convert it with the program that made it.',
  );
}

/** From the file's own table, whose names may lie: the number is always there. */
function featureName(bit: number, extensions: readonly HeaderExtension[]): string {
  const table = extensions.find((extension) => extension.type === extensionType.featureNames)?.data;
  for (let at = 0; table && at + 48 <= table.length; at += 48) {
    if (table[at] !== 0 || table[at + 1] !== bit) continue;
    const text = table.subarray(at + 2, at + 48).toString('latin1');
    const name = text.split('\0')[0]!.replace(/[^\x20-\x7e]/g, '?');
    return `bit ${bit} "${name}"`;
  }
  return `bit ${bit}`;
}

/**
 * Checks what the header says of the file against its length. Apart from parsing, so that a truncated file can still
 * be described.
 */
export function checkHeaderBounds(path: string, header: Header, fileLength: number): void {
  const clusterBytes = 2 ** header.clusterBits;
  const entryBytes = hasFeature(header.incompatibleFeatures, incompatible.extendedL2) ? 16 : 8;
  const span = (clusterBytes / entryBytes) * clusterBytes;
  const fail = (what: string): never => {
    throw diskErrors.corrupt({ path, what: `its qcow2 header ${what}` });
  };
  const l1Bytes = header.l1Entries * 8;
  if (l1Bytes > maxL1Bytes) fail(`has an L1 table of ${l1Bytes} bytes`);
  if (header.l1Entries < Math.ceil(header.sizeBytes / span)) fail('has an L1 table too small for its disk');
  const refcountBytes = header.refcountTableClusters * clusterBytes;
  if (refcountBytes === 0 || refcountBytes > maxRefcountTableBytes) {
    fail(`has a refcount table of ${header.refcountTableClusters} clusters`);
  }
  if (header.snapshotCount > maxSnapshots) fail(`says that it has ${header.snapshotCount} snapshots`);
  const tables: [what: string, offset: number, length: number][] = [
    ['L1 table', header.l1Offset, l1Bytes],
    ['refcount table', header.refcountTableOffset, refcountBytes],
    ['snapshot table', header.snapshotsOffset, header.snapshotCount * 40],
  ];
  const present = tables.filter(([, , length]) => length > 0).sort((a, b) => a[1] - b[1]);
  let end = clusterBytes;
  for (const [what, offset, length] of present) {
    if (offset < end) fail(`puts its ${what} over another part`);
    if (offset + length > fileLength) {
      throw diskErrors.truncated({ path, what, fileOffset: offset, length, fileBytes: fileLength });
    }
    end = offset + length;
  }
}

/**
 * The fixed part of the header with its numbers as they are now: at most a sector, so that writing it is atomic.
 * Extensions and the backing file's name lie behind it and stay as they are.
 */
export function encodeFixedPart(header: Header): Buffer {
  const bytes = Buffer.from(header.fixedPart.subarray(0, 128));
  bytes.writeUInt32BE(magic, 0);
  bytes.writeUInt32BE(header.version, 4);
  bytes.writeUInt32BE(header.clusterBits, 20);
  bytes.writeBigUInt64BE(BigInt(header.sizeBytes), 24);
  bytes.writeUInt32BE(header.l1Entries, 36);
  bytes.writeBigUInt64BE(BigInt(header.l1Offset), 40);
  bytes.writeBigUInt64BE(BigInt(header.refcountTableOffset), 48);
  bytes.writeUInt32BE(header.refcountTableClusters, 56);
  bytes.writeUInt32BE(header.snapshotCount, 60);
  bytes.writeBigUInt64BE(BigInt(header.snapshotsOffset), 64);
  if (header.version === 2) return bytes;
  bytes.writeBigUInt64BE(header.incompatibleFeatures, 72);
  bytes.writeBigUInt64BE(header.compatibleFeatures, 80);
  bytes.writeBigUInt64BE(header.autoclearFeatures, 88);
  bytes.writeUInt32BE(Math.log2(header.refcountBits), 96);
  bytes.writeUInt32BE(header.fixedPart.length, 100);
  if (header.fixedPart.length > version3Length) bytes[104] = header.compression === 'zstd' ? 1 : 0;
  return bytes;
}

/**
 * The first cluster of a new file.
 *
 * @throws disk.unsupported-option if the backing file's name does not fit
 */
export function encodeNewHeader(header: Header): Buffer {
  const cluster = Buffer.alloc(2 ** header.clusterBits);
  encodeFixedPart(header).copy(cluster);
  let at = header.fixedPart.length;
  const name = Buffer.from(header.backingName ?? '', 'utf8');
  const bytes = header.extensions.reduce((sum, { data }) => sum + extensionBytes(data), 8);
  if (at + bytes + name.length > cluster.length || name.length > maxBackingNameBytes) {
    throw diskErrors['unsupported-option']({
      format: 'qcow2',
      what: `the parent's path of ${name.length} bytes does not fit into the header`,
      fix: 'Use a relative path, or larger clusters.',
    });
  }
  for (const { type, data } of header.extensions) {
    cluster.writeUInt32BE(type, at);
    cluster.writeUInt32BE(data.length, at + 4);
    data.copy(cluster, at + 8);
    at += extensionBytes(data);
  }
  at += 8;
  if (name.length > 0) {
    cluster.writeBigUInt64BE(BigInt(at), 8);
    cluster.writeUInt32BE(name.length, 16);
    name.copy(cluster, at);
  }
  return cluster;
}

function extensionBytes(data: Buffer): number {
  return 8 + Math.ceil(data.length / 8) * 8;
}
