/** Planning and writing a new VHDX. */
import { Buffer } from 'node:buffer';
import { unlink } from 'node:fs/promises';
import type { CreateOptions, CreatePlan, DiskVariant } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import { type BlockFile, DiskFile } from '../file.ts';
import { BatLayout, entryBytes, payloadState, writeEntry } from './block-table.ts';
import { newGuid, zeroGuid } from './guid.ts';
import { encodeHeader, encodeIdentifier, headerOffsets } from './header.ts';
import { alignment, alignUp, MiB, maxSizeBytes } from './limits.ts';
import {
  encodeItems,
  encodeMetadataRegion,
  isBlockSize,
  isSectorSize,
  type VhdxMetadata,
} from './metadata.ts';
import { encodeParentLocator, locatorFor, type ParentLocator } from './parent-locator.ts';
import { batGuid, encodeRegionTable, metadataGuid, type Region, regionTableOffsets } from './region-table.ts';

const creator = 'Corral';
const logOffset = MiB;
const logLength = MiB;
const metadataOffset = 2 * MiB;
const metadataLength = MiB;
const batOffset = 3 * MiB;
const tablePieceBytes = MiB;

/** Hyper-V's own defaults. */
const defaultBlockBytes = 32 * MiB;
const defaultDifferencingBlockBytes = 2 * MiB;
const defaultPhysicalSectorBytes = 4096;

interface Layout {
  readonly metadata: VhdxMetadata;
  readonly table: BatLayout;
  readonly batLength: number;
  readonly locator: ParentLocator | undefined;
}

function refuse(what: string, fix: string): Error {
  return diskErrors['unsupported-option']({ format: 'vhdx', what, fix });
}

function variantFor(options: CreateOptions): DiskVariant {
  const variant = options.variant ?? (options.parent ? 'differencing' : 'dynamic');
  if ((variant === 'differencing') !== (options.parent !== undefined)) {
    throw refuse(
      'a differencing disk needs a parent, and no other can have one',
      'Name a parent, or leave it out.',
    );
  }
  return variant;
}

/** @throws disk.unsupported-option; disk.size-unsupported */
function layoutFor(options: CreateOptions): Layout {
  const { sizeBytes, logicalSectorBytes = 512, physicalSectorBytes = defaultPhysicalSectorBytes } = options;
  const variant = variantFor(options);
  const differencing = variant === 'differencing';
  const blockBytes = options.blockBytes ?? (differencing ? defaultDifferencingBlockBytes : defaultBlockBytes);
  if (!isBlockSize(blockBytes))
    throw refuse(`blocks cannot have ${blockBytes} bytes`, 'Choose 1 to 256 MiB, a power of two.');
  if (!isSectorSize(logicalSectorBytes) || !isSectorSize(physicalSectorBytes)) {
    throw refuse('sectors have 512 or 4096 bytes', 'Choose one of these.');
  }
  if (options.extendedL2) throw refuse('it has no subclusters', 'Choose qcow2.');
  checkSize(sizeBytes, logicalSectorBytes);
  const metadata: VhdxMetadata = {
    blockBytes,
    leaveBlockAllocated: variant === 'fixed',
    sizeBytes,
    diskId: options.identity?.id ?? options.parent?.identity?.id ?? newGuid(),
    logicalSectorBytes,
    physicalSectorBytes,
  };
  const table = new BatLayout(metadata, differencing);
  const locator = options.parent && locatorFor(options.parent);
  return { metadata, table, batLength: alignUp(table.tableBytes, alignment), locator };
}

export function checkSize(sizeBytes: number, logicalSectorBytes: number): void {
  const rule =
    !Number.isSafeInteger(sizeBytes) || sizeBytes <= 0
      ? 'the size is a whole number of bytes above zero'
      : sizeBytes > maxSizeBytes
        ? 'VHDX holds 64 TiB at most'
        : sizeBytes % logicalSectorBytes !== 0
          ? `the size is a multiple of the sector size, ${logicalSectorBytes} bytes`
          : undefined;
  if (rule) throw diskErrors['size-unsupported']({ format: 'vhdx', sizeBytes, rule });
}

export function planVhdx(options: CreateOptions): CreatePlan {
  const { metadata, table, batLength, locator } = layoutFor(options);
  const start = batOffset + batLength;
  const allBytes = table.payloadBlocks * metadata.blockBytes;
  const bitmapBytes = locator ? table.chunks * MiB : 0;
  return {
    variant: variantFor(options),
    sizeBytes: metadata.sizeBytes,
    blockBytes: metadata.blockBytes,
    grainBytes: metadata.logicalSectorBytes,
    emptyFileBytes: metadata.leaveBlockAllocated ? start + allBytes : start,
    fileBytes: (dataBytes) =>
      start +
      bitmapBytes +
      (metadata.leaveBlockAllocated ? allBytes : alignUp(dataBytes, metadata.blockBytes)),
  };
}

/** A new file that is complete and closed cleanly; a failure leaves none. */
export async function createVhdxFile(path: string, options: CreateOptions): Promise<DiskFile> {
  const layout = layoutFor(options);
  options.signal?.throwIfAborted();
  const file = await DiskFile.open(path, 'create');
  try {
    await writeNewVhdx(file, layout, options);
    return file;
  } catch (cause) {
    await file.close();
    await unlink(path);
    throw cause;
  }
}

/** Everything but the identifier first: until it is there, nobody takes the file for a VHDX. */
async function writeNewVhdx(file: BlockFile, layout: Layout, options: CreateOptions): Promise<void> {
  const { metadata, table, batLength, locator } = layout;
  const blocksStart = batOffset + batLength;
  await file.truncate(blocksStart);
  if (metadata.leaveBlockAllocated) {
    await file.reserve(blocksStart, table.payloadBlocks * metadata.blockBytes);
    await writeFullTable(file, table, blocksStart, options);
  }
  const contents = encodeItems(metadata, locator && encodeParentLocator(locator));
  await file.writeAll(encodeMetadataRegion(contents, metadataLength), metadataOffset);
  const regions: readonly Region[] = [
    { guid: batGuid, offset: batOffset, length: batLength, required: true },
    { guid: metadataGuid, offset: metadataOffset, length: metadataLength, required: true },
  ];
  for (const offset of regionTableOffsets) await file.writeAll(encodeRegionTable(regions), offset);
  const fileWriteGuid = newGuid();
  const dataWriteGuid = options.identity?.dataWriteId ?? newGuid();
  for (const [slot, offset] of headerOffsets.entries()) {
    const guids = { fileWriteGuid, dataWriteGuid, logGuid: zeroGuid };
    const header = {
      ...guids,
      sequenceNumber: BigInt(slot),
      logVersion: 0,
      version: 1,
      logLength,
      logOffset,
    };
    await file.writeAll(encodeHeader(header), offset);
  }
  if (!options.scratch) await file.sync();
  await file.writeAll(encodeIdentifier(creator), 0);
  if (!options.scratch) await file.sync();
}

async function writeFullTable(
  file: BlockFile,
  table: BatLayout,
  blocksStart: number,
  options: CreateOptions,
): Promise<void> {
  const perPiece = tablePieceBytes / entryBytes;
  for (let first = 0; first < table.entries; first += perPiece) {
    options.signal?.throwIfAborted();
    const count = Math.min(perPiece, table.entries - first);
    const bytes = Buffer.alloc(count * entryBytes);
    for (let index = 0; index < count; index += 1) {
      const block = table.blockOfIndex(first + index);
      if (block === undefined) continue;
      const fileOffset = blocksStart + block * table.blockBytes;
      writeEntry(bytes, { state: payloadState.fullyPresent, fileOffset }, index * entryBytes);
    }
    await file.writeAll(bytes, batOffset + first * entryBytes);
  }
}
