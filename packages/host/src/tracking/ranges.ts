/** Sets of bytes as sorted ranges that neither touch nor overlap. Pure. */
import type { Range } from '@corral/disk/disk';

/** All bytes that any of the ranges has, in whatever order they come. */
export function unionOf(ranges: Iterable<Range>): Range[] {
  const sorted = [...ranges].filter(({ length }) => length > 0).sort((a, b) => a.offset - b.offset);
  const union: Range[] = [];
  let last: { offset: number; length: number } | undefined;
  for (const { offset, length } of sorted) {
    if (last && offset <= last.offset + last.length) {
      last.length = Math.max(last.length, offset + length - last.offset);
    } else {
      last = { offset, length };
      union.push(last);
    }
  }
  return union;
}

/** What of the ranges lies below `sizeBytes`. */
export function clipTo(ranges: readonly Range[], sizeBytes: number): Range[] {
  return ranges
    .filter(({ offset }) => offset < sizeBytes)
    .map(({ offset, length }) => ({ offset, length: Math.min(length, sizeBytes - offset) }));
}

/** Widens each range to whole blocks. */
export function alignTo(ranges: readonly Range[], blockBytes: number): Range[] {
  return unionOf(
    ranges.map(({ offset, length }) => {
      const start = Math.floor(offset / blockBytes) * blockBytes;
      return { offset: start, length: Math.ceil((offset + length - start) / blockBytes) * blockBytes };
    }),
  );
}

export function bytesOf(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { length }) => sum + length, 0);
}
