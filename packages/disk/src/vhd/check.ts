/** Checking a VHD as a whole. Repair writes the footers again and gives back space that nothing uses; it guesses nothing. */
import { isCorralError } from '@corral/core/errors';
import type { CheckOptions, CheckReport } from '../disk.ts';
import { type BlockFile, DiskFile } from '../file.ts';
import { Findings } from '../findings.ts';
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
  const findings = new Findings();
  const structure = await readVhdStructure(file, options);
  const { dynamic, notes, footer, sizeBytes } = structure;
  const report = (leakedBytes: number, allocatedBytes: number): CheckReport => ({
    format: 'vhd',
    ok: findings.ok,
    problems: findings.problems,
    problemCount: findings.count,
    leakedBytes,
    allocatedBytes,
  });
  if (!dynamic) return report(file.length - sizeBytes - footerBytes, sizeBytes);
  const map = new BlockMap(file, structure, dynamic);
  const { allocatedBytes, places } = await scanBlocks(map, findings, options);
  let leakedBytes = 0;
  if (findings.ok) {
    const { end } = await occupancy(map, options);
    const used = places * (map.bitmapBytes + map.blockBytes);
    const fixedBytes = map.reserved().reduce((sum, range) => sum + range.length, 0);
    leakedBytes = Math.max(0, file.length - footerBytes - used - fixedBytes);
    const tail = Math.max(0, file.length - footerBytes - end);
    if (options.repair && (notes.length > 0 || tail > 0)) {
      await new VhdWriter(map, footer, notes.length === 0).begin(options);
      leakedBytes = Math.max(0, leakedBytes - tail);
    }
  }
  const repaired = (options.repair ?? false) && findings.ok;
  for (const note of notes)
    findings.add('note', `${note.charAt(0).toUpperCase()}${note.slice(1)}.`, { repaired });
  return report(leakedBytes, allocatedBytes);
}

async function scanBlocks(
  map: BlockMap,
  findings: Findings,
  options: CheckOptions,
): Promise<{ readonly allocatedBytes: number; readonly places: number }> {
  const totalBytes = map.blocks * 4;
  let allocatedBytes = 0;
  let places = 0;
  for (const { block, place } of await map.present(options)) {
    const fileOffset = map.dynamic.header.tableOffset + block * 4;
    places += 1;
    try {
      map.checkPlace(block, place);
      allocatedBytes += await presentBytes(map, block, place, options);
    } catch (cause) {
      if (!isCorralError(cause)) throw cause;
      findings.add('corruption', cause.message, { fileOffset });
    }
    options.onProgress?.({ doneBytes: block * 4, totalBytes });
  }
  if (findings.ok) await findShared(map, findings, options);
  options.onProgress?.({ doneBytes: totalBytes, totalBytes });
  return { allocatedBytes, places };
}

async function findShared(map: BlockMap, findings: Findings, options: CheckOptions): Promise<void> {
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
