/** Reading what a VHD says of itself (docs/formats/vhd.md, order of reads). */
import { Buffer } from 'node:buffer';
import type { ParentLink, SignalOptions } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import type { BlockFile } from '../file.ts';
import { type DynamicHeader, dynamicHeaderBytes, parseDynamicHeader } from './dynamic-header.ts';
import {
  diskSize,
  footerBytes,
  hasCookie,
  parseFooter,
  sectorBytes,
  type VhdFooter,
  vhdType,
} from './footer.ts';
import { readParentLink } from './parent-locator.ts';

/** The table is kept in memory once it is needed: 4 MiB for 2 TiB in blocks of 2 MiB. */
export const maxTableBytes = 64 * 2 ** 20;
const minBlockBytes = 4096;
/** What 32-bit sector numbers can reach. */
const maxReadableBytes = 2 ** 32 * sectorBytes;

export interface VhdStructure {
  readonly footer: VhdFooter;
  readonly sizeBytes: number;
  /** Absent in a fixed disk. */
  readonly dynamic?: DynamicStructure | undefined;
  /** What the reader had to pass over: the file was not closed cleanly, or a copy is damaged. */
  readonly notes: readonly string[];
}

export interface DynamicStructure {
  readonly header: DynamicHeader;
  readonly headerOffset: number;
  readonly blocks: number;
  /** Of each block, padded to whole sectors. */
  readonly bitmapBytes: number;
  readonly parent?: ParentLink | undefined;
}

/** @throws disk.unknown-format; disk.corrupt; disk.truncated; disk.unsupported-feature; disk.io */
export async function readVhdStructure(file: BlockFile, options: SignalOptions): Promise<VhdStructure> {
  const { footer, notes } = await readFooters(file, options);
  const { path } = file;
  const sizeBytes = diskSize(footer);
  if (sizeBytes > maxReadableBytes || sizeBytes % sectorBytes !== 0) {
    throw diskErrors.corrupt({ path, what: `its virtual size cannot be ${sizeBytes} bytes` });
  }
  if (footer.type === vhdType.fixed) {
    if (sizeBytes + footerBytes > file.length) {
      const place = { fileOffset: 0, length: sizeBytes + footerBytes, fileBytes: file.length };
      throw diskErrors.truncated({ path, what: 'content', ...place });
    }
    return { footer, sizeBytes, notes };
  }
  if (footer.type !== vhdType.dynamic && footer.type !== vhdType.differencing) {
    throw diskErrors['unsupported-feature']({
      path,
      feature: `the disk type ${footer.type}`,
      fix: 'Convert it with the program that made it.',
    });
  }
  return { footer, sizeBytes, notes, dynamic: await readDynamic(file, footer, sizeBytes, options) };
}

interface Footers {
  readonly footer: VhdFooter;
  readonly notes: readonly string[];
}

async function readFooters(file: BlockFile, options: SignalOptions): Promise<Footers> {
  const { path } = file;
  const atEnd = Buffer.alloc(footerBytes);
  const atFront = Buffer.alloc(footerBytes);
  await file.readPadded(atEnd, Math.max(0, file.length - footerBytes), options);
  await file.readPadded(atFront, 0, options);
  const end = file.length >= footerBytes ? parseFooter(atEnd) : undefined;
  // The front of a fixed disk belongs to its guest, who may have put anything there.
  if (end?.type === vhdType.fixed) return { footer: end, notes: [] };
  const front = parseFooter(atFront);
  if (!end && !front) {
    if (!hasCookie(atEnd) && !hasCookie(atFront))
      throw diskErrors['unknown-format']({ path, expected: 'a VHD' });
    throw diskErrors.corrupt({ path, what: 'the checksum of its footer is wrong' });
  }
  if (!end) {
    if (front!.type === vhdType.fixed)
      throw diskErrors.corrupt({ path, what: 'it has no footer at its end' });
    return { footer: front!, notes: ['the footer at the end of the file is missing'] };
  }
  if (!front) return { footer: end, notes: ['the copy of the footer at the front is damaged'] };
  return { footer: end, notes: compareFooters(end, front, path) };
}

function compareFooters(end: VhdFooter, front: VhdFooter, path: string): readonly string[] {
  const same = (['type', 'dataOffset', 'uniqueId'] as const).every((field) => end[field] === front[field]);
  if (!same)
    throw diskErrors.corrupt({
      path,
      what: 'the footer at its end and the copy at its front are of two disks',
    });
  return JSON.stringify(end) === JSON.stringify(front) ? [] : ['the footer and its copy at the front differ'];
}

async function readDynamic(
  file: BlockFile,
  footer: VhdFooter,
  sizeBytes: number,
  options: SignalOptions,
): Promise<DynamicStructure> {
  const { path } = file;
  const headerOffset = footer.dataOffset ?? 0;
  if (headerOffset < footerBytes || headerOffset % sectorBytes !== 0 || headerOffset > file.length) {
    throw diskErrors.corrupt({ path, what: `its dynamic header cannot be at ${headerOffset}` });
  }
  const bytes = Buffer.alloc(dynamicHeaderBytes);
  await file.readExact(bytes, headerOffset, 'dynamic header', options);
  const header = parseDynamicHeader(bytes);
  if (!header) throw diskErrors.corrupt({ path, what: 'its dynamic header is damaged' });
  const blocks = checkTable(file, header, headerOffset, sizeBytes);
  const bitmapBytes = Math.ceil(header.blockBytes / sectorBytes / 8 / sectorBytes) * sectorBytes;
  const differencing = footer.type === vhdType.differencing;
  const parent = differencing ? await readParentLink(file, header, options) : undefined;
  return { header, headerOffset, blocks, bitmapBytes, parent };
}

/** Number of blocks of the disk. */
function checkTable(file: BlockFile, header: DynamicHeader, headerOffset: number, sizeBytes: number): number {
  const { path } = file;
  const { blockBytes, tableEntries, tableOffset } = header;
  if (blockBytes < minBlockBytes || blockBytes > 2 ** 31 || !Number.isInteger(Math.log2(blockBytes))) {
    throw diskErrors.corrupt({ path, what: `its blocks cannot have ${blockBytes} bytes` });
  }
  const blocks = Math.ceil(sizeBytes / blockBytes);
  if (blocks > tableEntries) {
    throw diskErrors.corrupt({
      path,
      what: `its block table has ${tableEntries} entries and needs ${blocks}`,
    });
  }
  if (blocks * 4 > maxTableBytes) {
    throw diskErrors['unsupported-feature']({
      path,
      feature: `a table of ${blocks} blocks`,
      fix: 'Convert it with the program that made it to larger blocks.',
    });
  }
  if (tableOffset % sectorBytes !== 0 || tableOffset < footerBytes) {
    throw diskErrors.corrupt({ path, what: `its block table cannot be at ${tableOffset}` });
  }
  if (tableOffset < headerOffset + dynamicHeaderBytes && tableOffset + blocks * 4 > headerOffset) {
    throw diskErrors.corrupt({ path, what: 'its block table and its dynamic header overlap' });
  }
  if (tableOffset + blocks * 4 > file.length) {
    const place = { fileOffset: tableOffset, length: blocks * 4, fileBytes: file.length };
    throw diskErrors.truncated({ path, what: 'block table', ...place });
  }
  return blocks;
}
