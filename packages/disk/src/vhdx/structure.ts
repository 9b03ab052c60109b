/** Reading what a VHDX says of itself: identifier, headers, log, regions, metadata (docs/formats/vhdx.md, order of reads). */
import { Buffer } from 'node:buffer';
import type { Range, SignalOptions } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import type { BlockFile } from '../file.ts';
import { BatLayout } from './block-table.ts';
import {
  type CurrentHeader,
  currentHeader,
  headerBytes,
  headerOffsets,
  identifierBytes,
  isIdentifier,
  readCreator,
  type VhdxHeader,
} from './header.ts';
import { HeaderPair } from './header-pair.ts';
import { headerSectionBytes, maxFileBytes } from './limits.ts';
import { readLog, replayIntoFile } from './log-replay.ts';
import {
  decodeMetadata,
  items,
  type MetadataEntry,
  metadataTableBytes,
  parseMetadataTable,
  type VhdxMetadata,
} from './metadata.ts';
import { OverlayFile } from './overlay-file.ts';
import {
  batGuid,
  checkApart,
  metadataGuid,
  parseRegionTable,
  type Region,
  regionTableBytes,
  regionTableIsWhole,
  regionTableOffsets,
} from './region-table.ts';

export interface VhdxStructure {
  /** The file, or the file under its log. */
  readonly file: BlockFile;
  readonly creator: string;
  readonly headers: HeaderPair;
  /** What the reader had to pass over, for `check`. */
  readonly notes: readonly string[];
  /** The log holds changes that are not in the file. */
  readonly logPending: boolean;
  readonly regions: readonly Region[];
  readonly bat: Region;
  readonly metadataRegion: Region;
  readonly metadataEntries: readonly MetadataEntry[];
  readonly metadata: VhdxMetadata;
  readonly layout: BatLayout;
  /** Header section, log and regions, sorted: no block may lie there. */
  readonly reserved: readonly Range[];
}

export interface StructureOptions extends SignalOptions {
  /** Into the file; else a log is laid over the file in memory. */
  readonly replayIntoFile: boolean;
}

/** @throws disk.unknown-format; disk.corrupt; disk.truncated; disk.unsupported-feature; disk.io */
export async function readStructure(file: BlockFile, options: StructureOptions): Promise<VhdxStructure> {
  const { path } = file;
  const identifier = await readIdentifier(file, options);
  const current = await readHeaders(file, options);
  const headers = new HeaderPair(file, current);
  const notes = current.both ? [] : ['one of the two headers is damaged'];
  const sequence = await readLog(file, current.header, options);
  let view = file;
  if (sequence && options.replayIntoFile) await replayIntoFile(file, headers, sequence, options);
  else if (sequence) view = new OverlayFile(file, sequence);

  const regions = await readRegions(view, notes, options);
  const reserved = reservedRanges(current.header, regions, path);
  const bat = requireRegion(regions, batGuid, 'block allocation table', path);
  const metadataRegion = requireRegion(regions, metadataGuid, 'metadata region', path);
  const { entries, metadata } = await readMetadata(view, metadataRegion, options);
  const layout = new BatLayout(metadata, metadata.parent !== undefined);
  checkTable(view, bat, layout);
  return {
    file: view,
    creator: readCreator(identifier),
    headers,
    notes,
    logPending: view !== file,
    regions,
    bat,
    metadataRegion,
    metadataEntries: entries,
    metadata,
    layout,
    reserved,
  };
}

async function readIdentifier(file: BlockFile, options: SignalOptions): Promise<Buffer> {
  const { path } = file;
  const bytes = Buffer.alloc(identifierBytes);
  await file.readPadded(bytes, 0, options);
  if (!isIdentifier(bytes)) throw diskErrors['unknown-format']({ path, expected: 'a VHDX' });
  if (file.length > maxFileBytes)
    throw diskErrors.corrupt({ path, what: `the file has ${file.length} bytes` });
  return bytes;
}

async function readHeaders(file: BlockFile, options: SignalOptions): Promise<CurrentHeader> {
  const slots: [Buffer, Buffer] = [Buffer.alloc(headerBytes), Buffer.alloc(headerBytes)];
  for (const [slot, bytes] of slots.entries())
    await file.readPadded(bytes, headerOffsets[slot as 0 | 1], options);
  return currentHeader(slots, file.path);
}

async function readRegions(
  file: BlockFile,
  notes: string[],
  options: SignalOptions,
): Promise<readonly Region[]> {
  const { path } = file;
  const tables: (readonly Region[])[] = [];
  for (const offset of regionTableOffsets) {
    const bytes = Buffer.alloc(regionTableBytes);
    await file.readPadded(bytes, offset, options);
    if (regionTableIsWhole(bytes)) tables.push(parseRegionTable(bytes, path));
  }
  const [first, second] = tables;
  if (!first) throw diskErrors.corrupt({ path, what: 'neither copy of its region table is whole' });
  if (!second) notes.push('one of the two region tables is damaged');
  else if (JSON.stringify(first) !== JSON.stringify(second)) {
    throw diskErrors.corrupt({ path, what: 'the two copies of its region table differ' });
  }
  return first;
}

function reservedRanges(header: VhdxHeader, regions: readonly Region[], path: string): readonly Range[] {
  const ranges = [
    { name: 'header section', offset: 0, length: headerSectionBytes },
    { name: 'log', offset: header.logOffset, length: header.logLength },
    ...regions.map((region) => ({
      name: `region ${region.guid}`,
      offset: region.offset,
      length: region.length,
    })),
  ];
  checkApart(ranges, path);
  return ranges.filter((range) => range.length > 0).sort((a, b) => a.offset - b.offset);
}

function requireRegion(regions: readonly Region[], guid: string, name: string, path: string): Region {
  const region = regions.find((candidate) => candidate.guid === guid);
  if (!region) throw diskErrors.corrupt({ path, what: `it has no ${name}` });
  return region;
}

async function readMetadata(
  file: BlockFile,
  region: Region,
  options: SignalOptions,
): Promise<{ entries: readonly MetadataEntry[]; metadata: VhdxMetadata }> {
  const table = Buffer.alloc(metadataTableBytes);
  await file.readExact(table, region.offset, 'metadata table', options);
  const entries = parseMetadataTable(table, region.length, file.path);
  const contents = new Map<string, Buffer>();
  for (const entry of entries) {
    if (entry.isUser || !Object.values<string>(items).includes(entry.itemId)) continue;
    const bytes = Buffer.alloc(entry.length);
    await file.readExact(bytes, region.offset + entry.offset, 'metadata', options);
    contents.set(entry.itemId, bytes);
  }
  return { entries, metadata: decodeMetadata(contents, file.path) };
}

function checkTable(file: BlockFile, bat: Region, layout: BatLayout): void {
  const { path } = file;
  if (bat.length < layout.tableBytes) {
    const what = `its block allocation table has room for ${bat.length / 8} entries and needs ${layout.entries}`;
    throw diskErrors.corrupt({ path, what });
  }
  if (bat.offset + layout.tableBytes > file.length) {
    const place = { fileOffset: bat.offset, length: layout.tableBytes, fileBytes: file.length };
    throw diskErrors.truncated({ path, what: 'block allocation table', ...place });
  }
}
