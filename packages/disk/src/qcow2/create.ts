/** New qcow2 files: always version 3, 16-bit counts, zlib named as the compression although nothing is compressed. */
import { Buffer } from 'node:buffer';
import type { CreateOptions, CreatePlan } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import type { BlockFile } from '../file.ts';
import { encodeNewHeader, extensionType, type Header, incompatible, withFeature } from './header.ts';
import { Qcow2Image } from './image.ts';
import { qemuFormatName } from './info.ts';
import { type Geometry, geometry } from './l2-table.ts';
import {
  maxClusterBits,
  maxL1Bytes,
  maxRefcountTableBytes,
  minClusterBits,
  minExtendedClusterBits,
  sectorBytes,
} from './limits.ts';
import { MetadataMap } from './metadata-map.ts';
import { Refcounts } from './refcounts.ts';

const defaultClusterBytes = 65_536;
const refcountBits = 16;
/** With the compression type, as QEMU writes it. */
const fixedBytes = 112;

function refuse(what: string, fix: string): never {
  throw diskErrors['unsupported-option']({ format: 'qcow2', what, fix });
}

/** @throws disk.unsupported-option; disk.size-unsupported */
export function planQcow2(options: CreateOptions): CreatePlan {
  const shape = checkOptions(options);
  const { clusterBytes, tableSpan, grainBytes } = shape;
  const { sizeBytes } = options;
  const tables = Math.ceil(sizeBytes / tableSpan);
  const l1Clusters = Math.ceil((tables * 8) / clusterBytes);
  const fileBytes = (dataBytes: number): number => {
    const clusters = Math.ceil(dataBytes / clusterBytes);
    // Each cluster of data may need a table of its own.
    return withRefcounts(1 + l1Clusters + clusters + Math.min(clusters, tables), shape) * clusterBytes;
  };
  return {
    variant: options.parent ? 'differencing' : 'dynamic',
    sizeBytes,
    blockBytes: clusterBytes,
    grainBytes,
    emptyFileBytes: fileBytes(0),
    fileBytes,
  };
}

/** Clusters of a file whose other clusters are `clusters`: its refcount blocks and table added, rounded up. */
function withRefcounts(clusters: number, { clusterBytes }: Geometry): number {
  const perBlock = (clusterBytes * 8) / refcountBits;
  const blocks = Math.ceil((clusters * 1.01) / (perBlock - 1)) + 2;
  const table = Math.ceil((blocks * 1.5 * 8) / clusterBytes) + 1;
  return clusters + blocks + table;
}

function checkOptions(options: CreateOptions): Geometry {
  const { sizeBytes, blockBytes = defaultClusterBytes, extendedL2 = false } = options;
  const bits = Math.log2(blockBytes);
  const least = extendedL2 ? minExtendedClusterBits : minClusterBits;
  if (!Number.isInteger(bits) || bits < least || bits > maxClusterBits) {
    refuse(
      `it has no clusters of ${blockBytes} bytes`,
      `Choose a power of two from ${2 ** least} to ${2 ** maxClusterBits}.`,
    );
  }
  if (options.variant === 'fixed') refuse('it has no fixed disks', 'Choose dynamic, or another format.');
  if (
    (options.variant === 'differencing') !== (options.parent !== undefined) &&
    options.variant !== undefined
  ) {
    refuse('a differencing disk is one with a parent', 'Name the parent, or choose dynamic.');
  }
  if ((options.logicalSectorBytes ?? sectorBytes) !== sectorBytes) {
    refuse('it does not record a sector size', 'Leave the sector size out.');
  }
  const shape = geometry(3, bits, extendedL2);
  const mostBytes = Math.min(Number.MAX_SAFE_INTEGER, (maxL1Bytes / 8) * shape.tableSpan, maxCounted(shape));
  if (
    !Number.isSafeInteger(sizeBytes) ||
    sizeBytes < 0 ||
    sizeBytes % sectorBytes !== 0 ||
    sizeBytes > mostBytes
  ) {
    const rule = `with clusters of ${blockBytes} bytes it has whole sectors of 512 bytes, at most ${mostBytes} bytes`;
    throw diskErrors['size-unsupported']({ format: 'qcow2', sizeBytes, rule });
  }
  return shape;
}

/** Host bytes that the largest refcount table counts. */
function maxCounted({ clusterBytes }: Geometry): number {
  return (maxRefcountTableBytes / 8) * ((clusterBytes * 8) / refcountBits) * clusterBytes;
}

/** Writes an empty disk into an empty file. Nothing of it is on disk yet. */
export async function formatQcow2(file: BlockFile, options: CreateOptions): Promise<Qcow2Image> {
  const shape = checkOptions(options);
  const { clusterBytes, clusterBits, tableSpan } = shape;
  const metadata = new MetadataMap(file.path, clusterBytes);
  metadata.claim('header', 0);
  metadata.claim('refcount table', clusterBytes);
  const layout = { clusterBytes, refcountBits, tableOffset: clusterBytes, tableClusters: 1 };
  const refcounts = new Refcounts(file, layout, Buffer.alloc(clusterBytes), metadata);
  await refcounts.begin(2);
  const l1Entries = Math.ceil(options.sizeBytes / tableSpan);
  const l1 = Buffer.alloc(l1Entries * 8);
  const l1Clusters = Math.ceil(l1.length / clusterBytes);
  const l1Offset = l1Clusters === 0 ? 0 : await refcounts.allocateTable(l1Clusters);
  if (l1Clusters > 0) metadata.claim('L1 table', l1Offset, l1.length);
  const header: Header = {
    version: 3,
    clusterBits,
    sizeBytes: options.sizeBytes,
    l1Entries,
    l1Offset,
    refcountTableOffset: clusterBytes,
    refcountTableClusters: 1,
    snapshotCount: 0,
    snapshotsOffset: 0,
    incompatibleFeatures: withFeature(0n, incompatible.extendedL2, shape.extendedL2),
    compatibleFeatures: 0n,
    autoclearFeatures: 0n,
    refcountBits,
    compression: 'zlib',
    fixedPart: Buffer.alloc(fixedBytes),
    ...backing(options),
  };
  const image = new Qcow2Image(
    file,
    header,
    l1,
    { snapshots: [], bytes: 0 },
    { refcounts, metadata },
    options.scratch ?? false,
  );
  await file.writeZeros(0, l1Offset + l1Clusters * clusterBytes);
  await image.writeData(l1, l1Offset);
  await image.flush();
  // The header comes last: without it the file is nothing.
  await image.writeNewHeader(encodeNewHeader(image.header));
  return image;
}

function backing({ parent }: CreateOptions): Pick<Header, 'extensions' | 'backingName'> {
  if (!parent) return { extensions: [] };
  const backingName = parent.paths[0]?.path;
  if (backingName === undefined || !parent.format) {
    refuse('a link to a parent needs its path and its format', 'Name both.');
  }
  const data = Buffer.from(qemuFormatName(parent.format), 'latin1');
  return { backingName, extensions: [{ type: extensionType.backingFormat, data }] };
}
