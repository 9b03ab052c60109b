/** Checking a VHDX as a whole, and repairing what needs no guess: the log, damaged copies, unused space. */

import { isCorralError } from '@corral/core/errors';
import { CheckList } from '../check-list.ts';
import type { CheckOptions, CheckReport } from '../disk.ts';
import { DiskFile } from '../file.ts';
import { bitRuns } from '../sector-bitmap.ts';
import { payloadState, reservedBits } from './block-table.ts';
import { VhdxImage } from './image.ts';
import { pageBytes } from './page-cache.ts';
import { encodeRegionTable, regionTableOffsets } from './region-table.ts';
import { SpaceMap } from './space-map.ts';
import { checkScanned, entryContentBytes, type ScannedEntry, scanTable } from './table-scan.ts';
import { VhdxWriter } from './writer.ts';

/**
 * What cannot be opened at all is thrown; what can be is reported.
 *
 * @throws disk.unknown-format; disk.corrupt; disk.truncated; disk.unsupported-feature; disk.io
 */
export async function checkVhdx(path: string, options: CheckOptions = {}): Promise<CheckReport> {
  const repair = options.repair ?? false;
  const findings = new CheckList();
  const wasPending = await logIsPending(path, options);
  await using file = await DiskFile.open(path, repair ? 'write' : 'read');
  const image = await VhdxImage.open(file, { replayIntoFile: repair, signal: options.signal });
  if (wasPending) {
    findings.add('note', 'The log holds changes that are not yet in the file.', { repairable: true });
  }
  for (const note of image.structure.notes) findings.add('note', `${capital(note)}.`, { repairable: true });
  const space = await scanBlocks(image, findings, options);
  // VHDX lets free space lie between its structures (2.1), so it is counted and is no fault.
  findings.leakedBytes = space.freeBytes;
  // Blocks of a table that contradicts itself are left alone: giving space back could take it from one of them.
  const repaired = repair && findings.sound;
  if (repaired) await repairFile(image, space);
  return findings.report('vhdx', repaired);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

async function logIsPending(path: string, options: CheckOptions): Promise<boolean> {
  await using file = await DiskFile.open(path, 'read');
  const image = await VhdxImage.open(file, { replayIntoFile: false, signal: options.signal });
  return image.structure.logPending;
}

async function scanBlocks(image: VhdxImage, findings: CheckList, options: CheckOptions): Promise<SpaceMap> {
  const space = new SpaceMap(image.file.length);
  for (const range of image.structure.reserved) space.take(range);
  const { layout } = image;
  const totalBytes = layout.tableBytes;
  for await (const scanned of scanTable(image, options)) {
    checkReservedBits(image, scanned, findings);
    if (!entryIsRight(image, scanned, findings)) continue;
    const length = entryContentBytes(image, scanned);
    if (length === 0) continue;
    if (!space.take({ offset: scanned.entry.fileOffset, length })) {
      const message = `${nameOf(scanned)} shares its place in the file with another structure.`;
      findings.add('corruption', message, { fileOffset: scanned.fileOffset });
    }
    if (scanned.block !== undefined)
      findings.allocatedBytes += await presentBytes(image, scanned, findings, options);
    options.onProgress?.({ doneBytes: scanned.fileOffset - image.structure.bat.offset, totalBytes });
  }
  options.onProgress?.({ doneBytes: totalBytes, totalBytes });
  return space;
}

function nameOf({ block, index }: ScannedEntry): string {
  return block === undefined ? `The sector bitmap of table entry ${index}` : `Block ${block}`;
}

function checkReservedBits(image: VhdxImage, scanned: ScannedEntry, findings: CheckList): void {
  const page = image.cache.cached(scanned.fileOffset);
  if (!page || reservedBits(page.bytes, scanned.fileOffset % pageBytes) === 0) return;
  findings.add('note', `${nameOf(scanned)} has reserved bits set.`, { fileOffset: scanned.fileOffset });
}

function entryIsRight(image: VhdxImage, scanned: ScannedEntry, findings: CheckList): boolean {
  try {
    checkScanned(image, scanned);
    return true;
  } catch (cause) {
    if (!isCorralError(cause)) throw cause;
    findings.add('corruption', cause.message, { fileOffset: scanned.fileOffset });
    return false;
  }
}

/** Bytes of a block that the guest sees from this file. */
async function presentBytes(
  image: VhdxImage,
  { block, entry, fileOffset }: ScannedEntry,
  findings: CheckList,
  options: CheckOptions,
): Promise<number> {
  const { layout } = image;
  const used = layout.usedBytes(block!);
  if (entry.state !== payloadState.partiallyPresent) return used;
  try {
    const { bytes } = await image.bitmap(block!, options);
    let present = 0;
    for (const run of bitRuns(bytes, 0, used / layout.sectorBytes, 'lsb-first')) {
      if (run.set) present += (run.end - run.start) * layout.sectorBytes;
    }
    return present;
  } catch (cause) {
    if (!isCorralError(cause)) throw cause;
    findings.add('corruption', cause.message, { fileOffset });
    return 0;
  }
}

async function repairFile(image: VhdxImage, space: SpaceMap): Promise<void> {
  const writer = new VhdxWriter(image);
  const { structure, file } = image;
  const damaged = structure.notes.length > 0;
  const target = space.usedEnd;
  if (!damaged && space.freeBytes === 0) return;
  // Writes both headers, so a damaged one is whole again.
  await writer.begin({ visible: false });
  if (damaged) {
    const table = encodeRegionTable(structure.regions);
    for (const offset of regionTableOffsets) await image.cache.write(offset, table);
    await writer.commit({ atomic: true });
  }
  for (const gap of space.gaps(target)) await file.punch(gap.offset, gap.length);
  await writer.cut(target);
  await writer.end();
}
