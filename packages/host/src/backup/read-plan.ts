/** What a backup reads of a disk: pieces in order, zeros told apart. It asks the disk for its metadata alone. */
import type { Disk, Range } from '@corral/disk/disk';
import { alignTo, clipTo } from '../tracking/ranges.ts';

export interface ReadPiece extends Range {
  readonly isZero: boolean;
}

/** Blocks of the repository: a part of one would be completed from there, which costs more than reading it here. */
const blockBytes = 2 ** 16;

/** All that holds data, on a disk of zeros. */
export async function planFullRead(disk: Disk, sizeBytes: number, signal: AbortSignal): Promise<ReadPiece[]> {
  const data = await dataIn(disk, [{ offset: 0, length: sizeBytes }], sizeBytes, signal);
  return data.map((range) => ({ ...range, isZero: false }));
}

/** All that changed, what became zero among it. */
export async function planChangedRead(
  disk: Disk,
  changes: readonly Range[],
  sizeBytes: number,
  signal: AbortSignal,
): Promise<ReadPiece[]> {
  const ranges = wholeBlocks(changes, sizeBytes);
  const data = await dataIn(disk, ranges, sizeBytes, signal);
  const pieces: ReadPiece[] = [];
  let next = 0;
  for (const { offset, length } of ranges) {
    let at = offset;
    const end = offset + length;
    for (; next < data.length && data[next]!.offset < end; next += 1) {
      const piece = data[next]!;
      if (piece.offset > at) pieces.push({ offset: at, length: piece.offset - at, isZero: true });
      pieces.push({ ...piece, isZero: false });
      at = piece.offset + piece.length;
    }
    if (at < end) pieces.push({ offset: at, length: end - at, isZero: true });
  }
  return pieces;
}

/** Whole blocks in which the ranges have data. */
async function dataIn(
  disk: Disk,
  ranges: readonly Range[],
  sizeBytes: number,
  signal: AbortSignal,
): Promise<Range[]> {
  const data: Range[] = [];
  for (const range of clipTo(ranges, disk.info.sizeBytes)) {
    for await (const { kind, offset, length } of disk.extents(range, { signal })) {
      if (kind === 'data') data.push({ offset, length });
    }
  }
  return wholeBlocks(data, sizeBytes);
}

function wholeBlocks(ranges: readonly Range[], sizeBytes: number): Range[] {
  return clipTo(alignTo(ranges, blockBytes), sizeBytes);
}
