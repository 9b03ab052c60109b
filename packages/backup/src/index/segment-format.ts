/** Building and opening segments (docs/formats/repository.md, "Segment"). */

import { keyedHash } from '../crypto/blake3.ts';
import type { RepositoryKeys } from '../crypto/keys.ts';
import { headerBytes, newSealer, openSealer, type Sealer, tagBytes } from '../crypto/sealer.ts';
import { repositoryErrors } from '../errors.ts';
import { Fields } from '../format/fields.ts';
import { parseJsonObject } from '../format/text-object.ts';
import { idBytes } from '../pack/blob.ts';
import { addToFilter, filterBytesFor } from './bloom-filter.ts';
import { recordBytes } from './record.ts';

export const pageEntries = 256;
export const fenceBytes = 8;
const pageSection = 5;
const metaLimit = 4096;
/** 2^26 entries are 4 TiB of blocks in one segment; writers stop far below. */
const entriesLimit = 2 ** 26;

export interface SegmentMeta {
  readonly entries: number;
  readonly packs: number;
  readonly filterBytes: number;
  readonly merged: boolean;
}

/** Where the parts of a segment lie. */
export interface SegmentLayout extends SegmentMeta {
  readonly pages: number;
  readonly tableAt: number;
  readonly fencesAt: number;
  readonly filterAt: number;
  readonly pagesAt: number;
  readonly sizeBytes: number;
}

export interface FinishedSegment {
  /** The segment's name is its hash. */
  readonly hash: string;
  readonly bytes: Buffer;
}

export function segmentName(hash: string): string {
  return `index/${hash}`;
}

/** `records` sorted by id; their pack numbers are places in `packs`, a table of 32-byte names. */
export function buildSegment(
  keys: RepositoryKeys,
  sessionId: Buffer,
  records: Buffer,
  packs: Buffer,
  merged: boolean,
): FinishedSegment {
  const entries = records.length / recordBytes;
  const pages = Math.ceil(entries / pageEntries);
  const fences = Buffer.alloc(pages * fenceBytes);
  const filter = Buffer.alloc(filterBytesFor(entries));
  for (let page = 0; page < pages; page += 1) {
    records.copy(
      fences,
      page * fenceBytes,
      page * pageEntries * recordBytes,
      page * pageEntries * recordBytes + 8,
    );
  }
  for (let at = 0; at < entries; at += 1)
    addToFilter(filter, records.subarray(at * recordBytes, at * recordBytes + 8));
  const meta = { entries, packs: packs.length / idBytes, pageEntries, filterBytes: filter.length, merged };
  const sealer = newSealer(keys, 'I', sessionId);
  const bytes = assemble(sealer, meta, [packs, fences, filter], records, pages);
  proveSegment(keys, bytes, records, packs);
  return { hash: keyedHash(keys.name, bytes).toString('hex'), bytes };
}

function assemble(sealer: Sealer, meta: object, chunks: Buffer[], records: Buffer, pages: number): Buffer {
  const sealedMeta = sealer.seal(1, 0, Buffer.from(JSON.stringify(meta)));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(sealedMeta.length);
  const parts = [sealer.header, length, sealedMeta];
  for (const [at, chunk] of chunks.entries()) parts.push(sealer.seal(at + 2, 0, chunk));
  for (let page = 0; page < pages; page += 1) {
    const from = page * pageEntries * recordBytes;
    parts.push(sealer.seal(pageSection, page, records.subarray(from, from + pageEntries * recordBytes)));
  }
  return Buffer.concat(parts);
}

/** Opens the segment again from the bytes that will be stored. */
function proveSegment(keys: RepositoryKeys, bytes: Buffer, records: Buffer, packs: Buffer): void {
  const opened = openWholeSegment('a new segment', keys, bytes);
  if (!opened.records.equals(records) || !opened.packs.equals(packs)) {
    throw repositoryErrors['verify-failed']({ what: 'A segment of the index' });
  }
}

export interface OpenedSegment {
  readonly sealer: Sealer;
  readonly layout: SegmentLayout;
}

/** How many bytes of a segment hold header and meta, if the first 68 bytes are given. */
export function headBytes(name: string, first: Buffer): number {
  if (first.length < headerBytes + 4) throw damaged(name, 'it is cut short');
  const length = first.readUInt32LE(headerBytes);
  if (length > metaLimit) throw damaged(name, 'its head is too large');
  return headerBytes + 4 + length;
}

/** @throws repository.object-damaged */
export function openSegmentHead(
  name: string,
  keys: RepositoryKeys,
  head: Buffer,
  sizeBytes: number,
): OpenedSegment {
  const end = headBytes(name, head);
  const sealer = openSealer(keys, 'I', head);
  const plain = sealer?.open(1, 0, head.subarray(headerBytes + 4, end));
  if (!sealer || !plain) throw damaged(name, 'its seal does not fit');
  const fields = new Fields(name, parseJsonObject(name, plain.toString('utf8')));
  fields.count('pageEntries', pageEntries);
  const meta = {
    entries: fields.count('entries', entriesLimit),
    packs: fields.count('packs', entriesLimit),
    filterBytes: fields.count('filterBytes', entriesLimit * 2),
    merged: fields.flag('merged'),
  };
  const layout = layoutOf(meta, end);
  if (layout.sizeBytes !== sizeBytes) throw damaged(name, 'its size does not fit its contents');
  return { sealer, layout };
}

function layoutOf(meta: SegmentMeta, tableAt: number): SegmentLayout {
  const pages = Math.ceil(meta.entries / pageEntries);
  const fencesAt = tableAt + meta.packs * idBytes + tagBytes;
  const filterAt = fencesAt + pages * fenceBytes + tagBytes;
  const pagesAt = filterAt + meta.filterBytes + tagBytes;
  const sizeBytes = pagesAt + meta.entries * recordBytes + pages * tagBytes;
  return { ...meta, pages, tableAt, fencesAt, filterAt, pagesAt, sizeBytes };
}

/** Where page `page` lies in its segment. */
export function pageRange(layout: SegmentLayout, page: number): { offset: number; length: number } {
  const entries = Math.min(pageEntries, layout.entries - page * pageEntries);
  const offset = layout.pagesAt + page * (pageEntries * recordBytes + tagBytes);
  return { offset, length: entries * recordBytes + tagBytes };
}

/** @throws repository.object-damaged */
export function openPage(name: string, opened: OpenedSegment, page: number, sealed: Buffer): Buffer {
  const plain = opened.sealer.open(pageSection, page, sealed);
  if (!plain) throw damaged(name, `page ${page} does not fit its seal`);
  for (let at = idBytes; at < plain.length; at += recordBytes) {
    if (plain.readUInt32LE(at) >= opened.layout.packs) throw damaged(name, `page ${page} names no pack`);
  }
  return plain;
}

/** @throws repository.object-damaged */
export function openChunk(name: string, opened: OpenedSegment, section: 2 | 3 | 4, sealed: Buffer): Buffer {
  const plain = opened.sealer.open(section, 0, sealed);
  if (!plain) throw damaged(name, `part ${section} does not fit its seal`);
  return plain;
}

/** Everything of a segment that was read as a whole. */
export function openWholeSegment(
  name: string,
  keys: RepositoryKeys,
  bytes: Buffer,
): OpenedSegment & { records: Buffer; packs: Buffer; fences: Buffer; filter: Buffer } {
  const opened = openSegmentHead(name, keys, bytes, bytes.length);
  const { layout } = opened;
  const packs = openChunk(name, opened, 2, bytes.subarray(layout.tableAt, layout.fencesAt));
  const fences = openChunk(name, opened, 3, bytes.subarray(layout.fencesAt, layout.filterAt));
  const filter = openChunk(name, opened, 4, bytes.subarray(layout.filterAt, layout.pagesAt));
  const pages: Buffer[] = [];
  for (let page = 0; page < layout.pages; page += 1) {
    const { offset, length } = pageRange(layout, page);
    pages.push(openPage(name, opened, page, bytes.subarray(offset, offset + length)));
  }
  return { ...opened, packs, fences, filter, records: Buffer.concat(pages) };
}

function damaged(name: string, reason: string): Error {
  return repositoryErrors['object-damaged']({ name, reason });
}
