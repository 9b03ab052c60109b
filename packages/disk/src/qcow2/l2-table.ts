/**
 * What an L2 table says of a stretch of the disk, as runs of one kind. Works on the table's bytes alone.
 */
import type { Buffer } from 'node:buffer';
import { subclustersPerCluster } from './limits.ts';
import {
  compressedCluster,
  entryOffset,
  isCompressed,
  isZeroEntry,
  l2ReservedBits,
  type RawEntry,
  readEntry,
} from './table-entry.ts';

export interface Geometry {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  readonly clusterBytes: number;
  readonly extendedL2: boolean;
  /** Of an L2 entry: 8, or 16 with subclusters. */
  readonly entryBytes: number;
  readonly entriesPerTable: number;
  /** Guest bytes that one L2 table maps. */
  readonly tableSpan: number;
  /** A cluster, or a 32nd of it. */
  readonly grainBytes: number;
}

export function geometry(version: 2 | 3, clusterBits: number, extendedL2: boolean): Geometry {
  const clusterBytes = 2 ** clusterBits;
  const entryBytes = extendedL2 ? 16 : 8;
  const entriesPerTable = clusterBytes / entryBytes;
  return {
    version,
    clusterBits,
    clusterBytes,
    extendedL2,
    entryBytes,
    entriesPerTable,
    tableSpan: entriesPerTable * clusterBytes,
    grainBytes: extendedL2 ? clusterBytes / subclustersPerCluster : clusterBytes,
  };
}

/** A stretch of the disk of one kind, lying in one piece in the file. */
export type Run = EmptyRun | StoredRun;

export interface EmptyRun {
  readonly kind: 'hole' | 'zero';
  readonly length: number;
}

type StoredRun =
  | { readonly kind: 'data'; readonly length: number; readonly hostOffset: number }
  | {
      readonly kind: 'compressed';
      readonly length: number;
      readonly hostOffset: number;
      readonly hostLength: number;
      /** Where in the expanded cluster the run begins. */
      readonly clusterOffset: number;
    };

/** Why an entry cannot be believed; the caller adds the file's name. */
export class EntryDefect extends Error {
  override readonly name = 'EntryDefect';
}

/** Subclusters of an extended entry: bit n of each word is subcluster n. */
export interface Subclusters {
  readonly allocated: number;
  readonly zero: number;
}

export function readSubclusters(table: Buffer, at: number): Subclusters {
  return { zero: table.readUInt32BE(at + 8), allocated: table.readUInt32BE(at + 12) };
}

export function writeSubclusters(table: Buffer, at: number, bits: Subclusters): void {
  table.writeUInt32BE(bits.zero >>> 0, at + 8);
  table.writeUInt32BE(bits.allocated >>> 0, at + 12);
}

/** Bits `from` to `to`, exclusive, of 32. */
export function bitMask(from: number, to: number): number {
  const count = to - from;
  return count >= 32 ? 0xffff_ffff : ((2 ** count - 1) << from) >>> 0;
}

/**
 * Runs from `offset` in the span of the table to `end`, both guest bytes relative to the table's first. A missing
 * table (`undefined`) is all holes. Neighbours that continue each other in kind and place are one run.
 *
 * @throws EntryDefect for reserved bits, a misaligned offset, a cluster beyond `fileLength`
 */
export function* tableRuns(
  table: Buffer | undefined,
  geometry: Geometry,
  offset: number,
  end: number,
  fileLength: number,
): Generator<Run> {
  if (!table) {
    if (end > offset) yield { kind: 'hole', length: end - offset };
    return;
  }
  let pending: Run | undefined;
  for (let at = offset; at < end; ) {
    const inCluster = at % geometry.clusterBytes;
    const stop = Math.min(end, at - inCluster + geometry.clusterBytes);
    const index = (at - inCluster) / geometry.clusterBytes;
    for (const run of clusterRuns(table, index, geometry, inCluster, stop - at + inCluster, fileLength)) {
      const joined: Run | undefined = pending && join(pending, run);
      if (pending && !joined) yield pending;
      pending = joined ?? run;
    }
    at = stop;
  }
  if (pending) yield pending;
}

function join(first: Run, second: Run): Run | undefined {
  if (first.kind !== second.kind || first.kind === 'compressed') return undefined;
  const length = first.length + second.length;
  if (first.kind !== 'data' || second.kind !== 'data') return { kind: first.kind as 'hole', length };
  if (first.hostOffset + first.length !== second.hostOffset) return undefined;
  return { kind: 'data', hostOffset: first.hostOffset, length };
}

/** Runs of one cluster, from `from` to `to` in it. */
function clusterRuns(
  table: Buffer,
  index: number,
  geometry: Geometry,
  from: number,
  to: number,
  fileLength: number,
): readonly Run[] {
  const at = index * geometry.entryBytes;
  const entry = readEntry(table, at);
  const length = to - from;
  if (isCompressed(entry)) {
    const { hostOffset, length: hostLength } = compressedCluster(entry, geometry.clusterBits);
    if (hostOffset >= fileLength)
      throw new EntryDefect('a compressed cluster lies behind the end of the file');
    return [{ kind: 'compressed', length, hostOffset, hostLength, clusterOffset: from }];
  }
  const hostOffset = clusterOffset(entry, geometry, fileLength);
  if (geometry.extendedL2) return subclusterRuns(readSubclusters(table, at), hostOffset, geometry, from, to);
  if (isZeroEntry(entry)) return [{ kind: 'zero', length }];
  if (hostOffset === 0) return [{ kind: 'hole', length }];
  return [{ kind: 'data', length, hostOffset: hostOffset + from }];
}

/** The host offset of an entry that is not compressed; 0 if it has none. @throws EntryDefect */
export function clusterOffset(entry: RawEntry, geometry: Geometry, fileLength: number): number {
  if (l2ReservedBits(entry, geometry.version === 3 && !geometry.extendedL2)) {
    throw new EntryDefect('an L2 entry has reserved bits');
  }
  const hostOffset = entryOffset(entry);
  if (hostOffset % geometry.clusterBytes !== 0) throw new EntryDefect('a cluster is not aligned');
  // The last cluster of a file may be cut short, since its tail was never written.
  if (hostOffset >= fileLength && hostOffset !== 0) {
    throw new EntryDefect('a cluster lies behind the end of the file');
  }
  return hostOffset;
}

function subclusterRuns(
  bits: Subclusters,
  hostOffset: number,
  geometry: Geometry,
  from: number,
  to: number,
): readonly Run[] {
  const { allocated, zero } = bits;
  if ((allocated & zero) !== 0) throw new EntryDefect('a subcluster is both allocated and zero');
  if (allocated !== 0 && hostOffset === 0) throw new EntryDefect('a subcluster is allocated in no cluster');
  const runs: Run[] = [];
  for (let at = from; at < to; ) {
    const sub = Math.floor(at / geometry.grainBytes);
    const kind = subclusterKind(bits, sub);
    let next = sub + 1;
    while (next * geometry.grainBytes < to && subclusterKind(bits, next) === kind) next += 1;
    const stop = Math.min(to, next * geometry.grainBytes);
    const length = stop - at;
    runs.push(kind === 'data' ? { kind, length, hostOffset: hostOffset + at } : { kind, length });
    at = stop;
  }
  return runs;
}

function subclusterKind({ allocated, zero }: Subclusters, sub: number): 'data' | 'zero' | 'hole' {
  if ((allocated >>> sub) & 1) return 'data';
  return (zero >>> sub) & 1 ? 'zero' : 'hole';
}
