/**
 * How a write falls on the clusters of one L2 table. Pure: it reads the table and decides; `Qcow2Disk` carries it out.
 * All positions are relative to the first guest byte that the table maps.
 */
import type { Buffer } from 'node:buffer';
import { bitMask, clusterOffset, type Geometry, readSubclusters } from './l2-table.ts';
import { isCompressed, isCopied, isZeroEntry, readEntry } from './table-entry.ts';

export type WriteStep =
  /** The clusters are ours alone: write over them. With `marks` their subclusters become allocated afterwards. */
  | {
      readonly kind: 'in-place';
      readonly from: number;
      readonly to: number;
      readonly hostOffset: number;
      readonly marks: boolean;
    }
  /** Whole clusters, all overwritten: take new ones. */
  | { readonly kind: 'fresh'; readonly from: number; readonly to: number }
  /** A part of one cluster whose rest must be filled in first. */
  | { readonly kind: 'fill'; readonly from: number; readonly to: number };

/** @throws EntryDefect */
export function planWrite(
  table: Buffer,
  geometry: Geometry,
  from: number,
  to: number,
  fileLength: number,
): readonly WriteStep[] {
  const steps: WriteStep[] = [];
  for (let at = from; at < to; ) {
    const start = at - (at % geometry.clusterBytes);
    const stop = Math.min(to, start + geometry.clusterBytes);
    const step = clusterStep(table, geometry, start, at, stop, fileLength);
    const last = steps.at(-1);
    const joined = last && joinSteps(last, step);
    if (joined) steps[steps.length - 1] = joined;
    else steps.push(step);
    at = stop;
  }
  return steps;
}

function joinSteps(first: WriteStep, second: WriteStep): WriteStep | undefined {
  if (first.kind === 'fresh' && second.kind === 'fresh') return { ...first, to: second.to };
  if (first.kind !== 'in-place' || second.kind !== 'in-place' || first.marks !== second.marks)
    return undefined;
  if (first.hostOffset + first.to - first.from !== second.hostOffset) return undefined;
  return { ...first, to: second.to };
}

function clusterStep(
  table: Buffer,
  geometry: Geometry,
  start: number,
  from: number,
  to: number,
  fileLength: number,
): WriteStep {
  const at = (start / geometry.clusterBytes) * geometry.entryBytes;
  const entry = readEntry(table, at);
  const whole = to - from === geometry.clusterBytes;
  const other: WriteStep = { kind: whole ? 'fresh' : 'fill', from, to };
  if (isCompressed(entry)) return other;
  const cluster = clusterOffset(entry, geometry, fileLength);
  if (cluster === 0 || !isCopied(entry)) return other;
  const hostOffset = cluster + from - start;
  if (!geometry.extendedL2) {
    return isZeroEntry(entry) ? other : { kind: 'in-place', from, to, hostOffset, marks: false };
  }
  const missing = touched(geometry, from - start, to - start) & ~readSubclusters(table, at).allocated;
  if (missing === 0) return { kind: 'in-place', from, to, hostOffset, marks: false };
  if ((missing & partly(geometry, from - start, to - start)) !== 0) return { kind: 'fill', from, to };
  return { kind: 'in-place', from, to, hostOffset, marks: true };
}

/** Subclusters that the range touches, `from` and `to` in the cluster. */
export function touched(geometry: Geometry, from: number, to: number): number {
  return bitMask(Math.floor(from / geometry.grainBytes), Math.ceil(to / geometry.grainBytes));
}

/** Subclusters that the range covers from end to end. */
export function covered(geometry: Geometry, from: number, to: number): number {
  const first = Math.ceil(from / geometry.grainBytes);
  const end = Math.floor(to / geometry.grainBytes);
  return first < end ? bitMask(first, end) : 0;
}

function partly(geometry: Geometry, from: number, to: number): number {
  return touched(geometry, from, to) & ~covered(geometry, from, to);
}
