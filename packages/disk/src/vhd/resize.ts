/** Changing the size of a VHD in place (docs/formats/vhd.md, order of writes: resize). */
import { Buffer } from 'node:buffer';
import type { ResizeOptions, SignalOptions } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import { type BlockFile, DiskFile } from '../file.ts';
import { BlockMap } from './block-map.ts';
import { checkSize, refuseLongTable } from './create.ts';
import { dynamicHeaderBytes, switchTable } from './dynamic-header.ts';
import { encodeFooter, footerBytes, geometryOf, sectorBytes, type VhdFooter } from './footer.ts';
import { type DynamicStructure, readVhdStructure, type VhdStructure } from './structure.ts';
import { occupancy, VhdWriter } from './writer.ts';

/** @throws disk.size-unsupported; disk.shrink-refused; disk.unsupported-option; and the errors of opening */
export async function resizeVhd(path: string, sizeBytes: number, options: ResizeOptions = {}): Promise<void> {
  checkSize(sizeBytes);
  await using file = await DiskFile.open(path, 'write');
  await resizeVhdFile(file, sizeBytes, options);
}

export async function resizeVhdFile(
  file: BlockFile,
  sizeBytes: number,
  options: ResizeOptions,
): Promise<void> {
  const structure = await readVhdStructure(file, options);
  const { path } = file;
  const from = structure.sizeBytes;
  if (sizeBytes === from) return;
  if (sizeBytes < from && !options.shrink) throw diskErrors['shrink-refused']({ path, from, to: sizeBytes });
  const { dynamic } = structure;
  if (!dynamic) return resizeFixed(file, structure, sizeBytes);
  if (dynamic.parent) {
    const fix = 'Merge it, or convert the chain to vhdx.';
    throw diskErrors['unsupported-option']({
      format: 'vhd',
      what: 'a differencing disk keeps its size',
      fix,
    });
  }
  const map = new BlockMap(file, structure, dynamic);
  await new VhdWriter(map, structure).begin(options);
  if (sizeBytes < from) return shrink(file, map, structure, sizeBytes, options);
  return grow(file, map, structure, dynamic, sizeBytes, options);
}

/** The size as the creator's custom has it: from now on this disk is one whose CurrentSize counts. */
function resizedFooter(footer: VhdFooter, sizeBytes: number): Buffer {
  return encodeFooter({
    ...footer,
    creator: 'win ',
    currentSizeBytes: sizeBytes,
    geometry: geometryOf(sizeBytes),
  });
}

async function resizeFixed(file: BlockFile, structure: VhdStructure, sizeBytes: number): Promise<void> {
  const before = structure.sizeBytes;
  if (sizeBytes > before) await file.reserve(before + footerBytes, sizeBytes - before);
  await file.writeAll(resizedFooter(structure.footer, sizeBytes), sizeBytes);
  await file.sync();
  // The old footer became content of the disk.
  if (sizeBytes > before) await file.punch(before, Math.min(footerBytes, sizeBytes - before));
  else await file.truncate(sizeBytes + footerBytes);
  await file.sync();
}

async function writeFooters(
  file: BlockFile,
  footer: VhdFooter,
  sizeBytes: number,
  end: number,
): Promise<void> {
  const bytes = resizedFooter(footer, sizeBytes);
  await file.writeAll(bytes, 0);
  await file.sync();
  await file.writeAll(bytes, end);
  await file.sync();
}

async function grow(
  file: BlockFile,
  map: BlockMap,
  structure: VhdStructure,
  dynamic: DynamicStructure,
  sizeBytes: number,
  options: SignalOptions,
): Promise<void> {
  const blocks = Math.ceil(sizeBytes / map.blockBytes);
  refuseLongTable(blocks);
  await clearLastBlock(map);
  const { end } = await occupancy(map, options);
  const tableBytes = Math.ceil((blocks * 4) / sectorBytes) * sectorBytes;
  if (blocks === map.blocks) return writeFooters(file, structure.footer, sizeBytes, end);
  // The longer table goes behind everything, in front of the footer; nothing points to it yet.
  const table = Buffer.alloc(tableBytes, 0xff);
  (await map.table(options)).copy(table);
  const newEnd = end + tableBytes;
  await file.writeAll(table, end, options);
  await file.writeAll(encodeFooter(structure.footer), newEnd);
  await file.sync();
  await switchHeader(file, dynamic, end, blocks);
  await writeFooters(file, structure.footer, sizeBytes, newEnd);
}

async function switchHeader(
  file: BlockFile,
  { headerOffset }: DynamicStructure,
  tableOffset: number,
  tableEntries: number,
): Promise<void> {
  const bytes = Buffer.alloc(dynamicHeaderBytes);
  await file.readExact(bytes, headerOffset, 'dynamic header');
  switchTable(bytes, tableOffset, tableEntries);
  await file.writeAll(bytes.subarray(0, sectorBytes), headerOffset);
  await file.sync();
}

/** Behind the end of the disk the last block may hold anything. */
async function clearLastBlock(map: BlockMap): Promise<void> {
  const block = map.blocks - 1;
  const used = map.usedBytes(block);
  const place = used === map.blockBytes ? undefined : await map.place(block);
  if (place === undefined) return;
  await map.file.punch(place + map.bitmapBytes + used, map.blockBytes - used);
  await map.file.sync();
}

/** The size first: a crash then leaves blocks that nobody sees, never a disk whose end is missing. */
async function shrink(
  file: BlockFile,
  map: BlockMap,
  structure: VhdStructure,
  sizeBytes: number,
  options: SignalOptions,
): Promise<void> {
  const { end } = await occupancy(map, options);
  await writeFooters(file, structure.footer, sizeBytes, end);
  const blocks = Math.ceil(sizeBytes / map.blockBytes);
  for (let block = blocks; block < map.blocks; block += 1) {
    if ((await map.rawPlace(block, options)) !== undefined) await map.setPlace(block, undefined);
  }
  for (const change of await map.changedTable()) await file.writeAll(change.bytes, change.fileOffset);
  await file.sync();
  map.settle();
  const after = await occupancy(map, options);
  await file.writeAll(resizedFooter(structure.footer, sizeBytes), after.end);
  await file.sync();
  await file.truncate(after.end + footerBytes);
  await file.sync();
}
