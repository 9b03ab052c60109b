/** Planning and writing a new VHD. */
import { Buffer } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import { unlink } from 'node:fs/promises';
import type { CreateOptions, CreatePlan, DiskVariant } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import { type BlockFile, DiskFile } from '../file.ts';
import { dynamicHeaderBytes, encodeDynamicHeader, type LocatorEntry } from './dynamic-header.ts';
import { encodeFooter, footerBytes, maxSizeBytes, newFooter, sectorBytes, vhdType } from './footer.ts';
import { type EncodedParent, encodeParent, locatorSpace } from './parent-locator.ts';
import { maxTableBytes } from './structure.ts';

const headerOffset = footerBytes;
const locatorsOffset = headerOffset + dynamicHeaderBytes;
const defaultBlockBytes = 2 ** 21;
const minBlockBytes = 2 ** 16;
const maxBlockBytes = 2 ** 28;
const noParent = '00000000-0000-0000-0000-000000000000';
const tablePieceBytes = 2 ** 20;

interface Layout {
  readonly variant: DiskVariant;
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly blocks: number;
  readonly parent: EncodedParent | undefined;
  readonly locators: readonly LocatorEntry[];
  readonly tableOffset: number;
  /** In whole sectors. */
  readonly tableBytes: number;
}

function refuse(what: string, fix: string): Error {
  return diskErrors['unsupported-option']({ format: 'vhd', what, fix });
}

export function checkSize(sizeBytes: number): void {
  const rule =
    !Number.isSafeInteger(sizeBytes) || sizeBytes <= 0
      ? 'the size is a whole number of bytes above zero'
      : sizeBytes > maxSizeBytes
        ? 'VHD holds 2,040 GiB at most; choose vhdx'
        : sizeBytes % sectorBytes !== 0
          ? 'the size is a multiple of 512 bytes'
          : undefined;
  if (rule) throw diskErrors['size-unsupported']({ format: 'vhd', sizeBytes, rule });
}

/** @throws disk.unsupported-option; disk.size-unsupported */
function layoutFor(options: CreateOptions): Layout {
  const { sizeBytes } = options;
  checkSize(sizeBytes);
  const variant = options.variant ?? (options.parent ? 'differencing' : 'dynamic');
  if ((variant === 'differencing') !== (options.parent !== undefined)) {
    throw refuse(
      'a differencing disk needs a parent, and no other can have one',
      'Name a parent, or leave it out.',
    );
  }
  if (
    [options.logicalSectorBytes, options.physicalSectorBytes].some(
      (bytes) => bytes !== undefined && bytes !== 512,
    )
  ) {
    throw refuse('sectors have 512 bytes', 'Choose vhdx for sectors of 4096 bytes.');
  }
  if (options.extendedL2) throw refuse('it has no subclusters', 'Choose qcow2.');
  const blockBytes = blockSize(variant, options.blockBytes);
  const blocks = Math.ceil(sizeBytes / blockBytes);
  if (variant !== 'fixed') refuseLongTable(blocks);
  const parent = options.parent && encodeParent(options.parent);
  const locators: LocatorEntry[] = [];
  let at = locatorsOffset;
  for (const { platform, bytes } of parent?.locators ?? []) {
    const spaceBytes = locatorSpace(bytes);
    locators.push({ platform, spaceBytes, length: bytes.length, fileOffset: at });
    at += spaceBytes;
  }
  const tableBytes = Math.ceil((blocks * 4) / sectorBytes) * sectorBytes;
  return { variant, sizeBytes, blockBytes, blocks, parent, locators, tableOffset: at, tableBytes };
}

/** What is written must be readable again. @throws disk.unsupported-option */
export function refuseLongTable(blocks: number): void {
  if (blocks * 4 <= maxTableBytes) return;
  throw refuse(`a table of ${blocks} blocks is more than a reader takes`, 'Convert it to larger blocks.');
}

function blockSize(variant: DiskVariant, asked: number | undefined): number {
  if (variant === 'fixed') {
    if (asked !== undefined) throw refuse('a fixed disk has no blocks', 'Leave the block size out.');
    return defaultBlockBytes;
  }
  const bytes = asked ?? defaultBlockBytes;
  if (bytes >= minBlockBytes && bytes <= maxBlockBytes && Number.isInteger(Math.log2(bytes))) return bytes;
  throw refuse(
    `blocks cannot have ${bytes} bytes`,
    'Choose 64 KiB to 256 MiB, a power of two; Windows uses 2 MiB.',
  );
}

export function planVhd(options: CreateOptions): CreatePlan {
  const { variant, sizeBytes, blockBytes, tableOffset, tableBytes } = layoutFor(options);
  const fixed = variant === 'fixed';
  const emptyFileBytes = fixed ? sizeBytes + footerBytes : tableOffset + tableBytes + footerBytes;
  // Data starts at a multiple of 4 KiB, so each block costs its bitmap and at most 4 KiB.
  const perBlock = blockBytes + Math.ceil(blockBytes / 4096 / sectorBytes) * sectorBytes + 4096;
  return {
    variant,
    sizeBytes,
    blockBytes: fixed ? 1 : blockBytes,
    grainBytes: fixed ? 1 : sectorBytes,
    emptyFileBytes,
    fileBytes: (dataBytes) => emptyFileBytes + (fixed ? 0 : Math.ceil(dataBytes / blockBytes) * perBlock),
  };
}

/** A new file that is complete; a failure leaves none. */
export async function createVhdFile(path: string, options: CreateOptions): Promise<DiskFile> {
  const layout = layoutFor(options);
  options.signal?.throwIfAborted();
  const file = await DiskFile.open(path, 'create');
  try {
    const uniqueId = options.identity?.dataWriteId ?? randomUUID();
    if (layout.variant === 'fixed') await writeFixed(file, layout, uniqueId);
    else await writeDynamic(file, layout, uniqueId);
    if (!options.scratch) await file.sync();
    return file;
  } catch (cause) {
    await file.close();
    await unlink(path);
    throw cause;
  }
}

async function writeFixed(file: BlockFile, { sizeBytes }: Layout, uniqueId: string): Promise<void> {
  const fields = { dataOffset: undefined, type: vhdType.fixed, uniqueId, currentSizeBytes: sizeBytes };
  await file.reserve(0, sizeBytes);
  await file.writeAll(encodeFooter(newFooter(fields, new Date())), sizeBytes);
}

async function writeDynamic(file: BlockFile, layout: Layout, uniqueId: string): Promise<void> {
  const { blockBytes, blocks, parent, locators, tableOffset, tableBytes } = layout;
  const header = encodeDynamicHeader({
    tableOffset,
    version: 0x1_0000,
    tableEntries: blocks,
    blockBytes,
    parentId: parent?.id ?? noParent,
    parentTimestamp: 0,
    parentName: parent?.name ?? '',
    locators,
  });
  await file.writeAll(header, headerOffset);
  for (const [index, locator] of locators.entries()) {
    await file.writeAll(parent!.locators[index]!.bytes, locator.fileOffset);
  }
  const absent = Buffer.alloc(tablePieceBytes, 0xff);
  for (let done = 0; done < tableBytes; done += absent.length) {
    await file.writeAll(absent.subarray(0, Math.min(absent.length, tableBytes - done)), tableOffset + done);
  }
  const type = parent ? vhdType.differencing : vhdType.dynamic;
  const fields = { dataOffset: headerOffset, type, uniqueId, currentSizeBytes: layout.sizeBytes };
  const footer = encodeFooter(newFooter(fields, new Date()));
  await file.writeAll(footer, tableOffset + tableBytes);
  await file.writeAll(footer, 0);
}
