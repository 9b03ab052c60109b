/** Checking a VHD as a whole. Repair writes the footers again and gives back space that nothing uses; it guesses nothing. */
import { isCorralError } from '@corral/core/errors';
import { CheckList } from '../check-list.ts';
import type { CheckOptions, CheckReport } from '../disk.ts';
import { type BlockFile, DiskFile } from '../file.ts';
import { bitRuns } from '../sector-bitmap.ts';
import { BlockMap } from './block-map.ts';
import { footerBytes, sectorBytes } from './footer.ts';
import { readVhdStructure } from './structure.ts';
import { occupancy, VhdWriter } from './writer.ts';

/**
 * What cannot be opened at all is thrown; what can be is reported.
 *
 * @throws disk.unknown-format; disk.corrupt; disk.truncated; disk.unsupported-feature; disk.io
 */
export async function checkVhd(path: string, options: CheckOptions = {}): Promise<CheckReport> {
  await using file = await DiskFile.open(path, options.repair ? 'write' : 'read');
  return await checkVhdFile(file, options);
}

export async function checkVhdFile(file: BlockFile, options: CheckOptions): Promise<CheckReport> {
  const findings = new CheckList();
  const structure = await readVhdStructure(file, options);
  const { dynamic, notes, sizeBytes } = structure;
  if (!dynamic) {
    findings.allocatedBytes = sizeBytes;
    findings.leakedBytes = file.length - sizeBytes - footerBytes;
    return findings.report('vhd', false);
  }
  for (const note of notes) {
    findings.add('note', `${note.charAt(0).toUpperCase()}${note.slice(1)}.`, { repairable: true });
  }
  const map = new BlockMap(file, structure, dynamic);
  await scanBlocks(map, findings, options);
  if (!findings.sound) return findings.report('vhd', false);
  const { end } = await occupancy(map, options);
  const tail = Math.max(0, file.length - footerBytes - end);
  // Gaps are legal, and Windows leaves a little room in front of the footer. The rest of a block that a crash cut off is not.
  if (tail >= map.blockBytes) {
    findings.add('leak', 'Space behind the last block belongs to nothing.');
    findings.leakedBytes = tail;
  }
  if (options.repair && findings.needsRepair)
    await new VhdWriter(map, structure).begin(options, { tidy: true });
  return findings.report('vhd', options.repair ?? false);
}

async function scanBlocks(map: BlockMap, findings: CheckList, options: CheckOptions): Promise<void> {
  const totalBytes = map.blocks * 4;
  for (const { block, place } of await map.present(options)) {
    const fileOffset = map.dynamic.header.tableOffset + block * 4;
    try {
      map.checkPlace(block, place);
      findings.allocatedBytes += await presentBytes(map, block, place, options);
    } catch (cause) {
      if (!isCorralError(cause)) throw cause;
      findings.add('corruption', cause.message, { fileOffset });
    }
    options.onProgress?.({ doneBytes: block * 4, totalBytes });
  }
  if (findings.sound) await findShared(map, findings, options);
  options.onProgress?.({ doneBytes: totalBytes, totalBytes });
}

async function findShared(map: BlockMap, findings: CheckList, options: CheckOptions): Promise<void> {
  try {
    await occupancy(map, options);
  } catch (cause) {
    if (!isCorralError(cause)) throw cause;
    findings.add('corruption', cause.message);
  }
}

/** Bytes of a block that the guest sees from this file. */
async function presentBytes(
  map: BlockMap,
  block: number,
  place: number,
  options: CheckOptions,
): Promise<number> {
  const used = map.usedBytes(block);
  if (!map.hasParent) return used;
  const bits = await map.bitmap(block, place, options);
  let present = 0;
  for (const run of bitRuns(bits, 0, Math.ceil(used / sectorBytes), 'msb-first')) {
    if (run.set) present += (run.end - run.start) * sectorBytes;
  }
  return present;
}
