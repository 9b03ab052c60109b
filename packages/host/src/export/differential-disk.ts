/** What changed of a disk as a qcow2 file that lies on a file with its older state. */
import { chmod } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Disk, Range } from '@corral/disk/disk';
import { driverOf } from '@corral/disk/drivers';
import { alignTo, bytesOf, clipTo } from '../tracking/ranges.ts';

const pieceBytes = 2 ** 20;
/** A subcluster of what QEMU and Corral write: no part of one is left to what lies below. */
const grainBytes = 2048;

export interface DifferentialDisk {
  /** The content, and its size. */
  readonly disk: Disk;
  readonly sizeBytes: number;
  readonly changes: readonly Range[];
  /** File name of the older state, for programs other than Corral: its header names it. */
  readonly parent: string;
}

/** Everything in `changes` is in the file, zeros too; nothing else is. */
export async function writeDifferential(
  target: string,
  { disk, sizeBytes, changes, parent }: DifferentialDisk,
  signal: AbortSignal,
  progress: (doneBytes: number, totalBytes: number) => void,
): Promise<void> {
  const ranges = clipTo(alignTo(changes, grainBytes), sizeBytes);
  const total = bytesOf(ranges);
  let done = 0;
  await using file = await driverOf('qcow2').create(target, {
    sizeBytes,
    extendedL2: true,
    parent: { format: 'qcow2', paths: [{ kind: 'relative', path: basename(parent) }] },
    scratch: true,
    signal,
  });
  for (const range of ranges) {
    for await (const { offset, length, isZero } of piecesOf(disk, range, signal)) {
      if (isZero) {
        await file.zero(offset, length, { signal });
      } else {
        const data = Buffer.allocUnsafe(length);
        await disk.read(data, offset, { signal });
        await file.write(data, offset, { signal });
      }
      done += length;
      progress(done, total);
    }
  }
  await file.flush({ signal });
  await chmod(target, 0o600);
}

async function* piecesOf(
  disk: Disk,
  range: Range,
  signal: AbortSignal,
): AsyncGenerator<Range & { readonly isZero: boolean }> {
  const end = range.offset + range.length;
  const inside = Math.min(end, disk.info.sizeBytes);
  if (range.offset < inside) {
    const known = { offset: range.offset, length: inside - range.offset };
    for await (const { offset, length, kind } of disk.extents(known, { signal })) {
      const step = kind === 'data' ? pieceBytes : length;
      for (let at = offset; at < offset + length; at += step) {
        yield { offset: at, length: Math.min(step, offset + length - at), isZero: kind !== 'data' };
      }
    }
  }
  // A layer may be shorter than its disk is: zeros are there.
  const from = Math.max(range.offset, inside);
  if (from < end) yield { offset: from, length: end - from, isZero: true };
}
