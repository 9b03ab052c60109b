/** `diff`: where two disks, as their guests see them, are not the same. */
import { Buffer } from 'node:buffer';
import { openChain } from '../chain.ts';
import type { ChainDisk } from '../chain-disk.ts';
import type { Extent, ProgressOptions, Range } from '../disk.ts';
import type { ChainOf } from './inspect-disk.ts';

export interface DiffOptions extends ProgressOptions {
  readonly first?: ChainOf | undefined;
  readonly second?: ChainOf | undefined;
}

const pieceBytes = 2 ** 20;
const sectorBytes = 512;

/**
 * Ranges that differ, in order, in whole sectors. A disk that ends early reads as zero behind its end. What both take
 * from the same file, and what neither has, is not read.
 */
export async function* diffDisks(
  firstPath: string,
  secondPath: string,
  options: DiffOptions = {},
): AsyncGenerator<Range> {
  const { signal } = options;
  await using first = await openChain(firstPath, { ...options.first, signal, readOnly: true });
  await using second = await openChain(secondPath, { ...options.second, signal, readOnly: true });
  const totalBytes = Math.max(first.info.sizeBytes, second.info.sizeBytes);
  let pending: Range | undefined;
  for await (const range of differing(first, second, totalBytes, options)) {
    if (pending && pending.offset + pending.length === range.offset) {
      pending = { offset: pending.offset, length: pending.length + range.length };
      continue;
    }
    if (pending) yield pending;
    pending = range;
  }
  if (pending) yield pending;
}

async function* differing(
  first: ChainDisk,
  second: ChainDisk,
  totalBytes: number,
  options: ProgressOptions,
): AsyncGenerator<Range> {
  const buffers: [Buffer, Buffer] = [Buffer.alloc(pieceBytes), Buffer.alloc(pieceBytes)];
  for await (const [one, two] of sideBySide(first, second, totalBytes, options)) {
    if (!mayDiffer(first, one, second, two)) continue;
    const end = one.offset + one.length;
    for (let at = one.offset; at < end; at += pieceBytes) {
      const length = Math.min(pieceBytes, end - at);
      const [left, right] = [buffers[0].subarray(0, length), buffers[1].subarray(0, length)];
      await Promise.all([fill(first, left, at, one, options), fill(second, right, at, two, options)]);
      yield* sectorsThatDiffer(left, right, at);
      options.onProgress?.({ doneBytes: at + length, totalBytes });
    }
  }
}

/** Extents of both disks, cut so that each pair covers the same range. */
async function* sideBySide(
  first: ChainDisk,
  second: ChainDisk,
  totalBytes: number,
  options: ProgressOptions,
): AsyncGenerator<readonly [Extent, Extent]> {
  const left = padded(first, totalBytes, options);
  const right = padded(second, totalBytes, options);
  let one = (await left.next()).value;
  let two = (await right.next()).value;
  while (one && two) {
    const length = Math.min(one.length, two.length);
    yield [
      { ...one, length },
      { ...two, length },
    ];
    one = one.length === length ? (await left.next()).value : rest(one, length);
    two = two.length === length ? (await right.next()).value : rest(two, length);
  }
}

function rest(extent: Extent, length: number): Extent {
  return { ...extent, offset: extent.offset + length, length: extent.length - length };
}

async function* padded(
  disk: ChainDisk,
  totalBytes: number,
  options: ProgressOptions,
): AsyncGenerator<Extent, undefined> {
  yield* disk.extents(undefined, options);
  const { sizeBytes } = disk.info;
  if (sizeBytes < totalBytes) {
    yield { offset: sizeBytes, length: totalBytes - sizeBytes, kind: 'hole', layer: 0 };
  }
  return undefined;
}

function mayDiffer(first: ChainDisk, one: Extent, second: ChainDisk, two: Extent): boolean {
  if (one.kind !== 'data' && two.kind !== 'data') return false;
  if (one.kind !== 'data' || two.kind !== 'data') return true;
  return first.layers[one.layer]!.path !== second.layers[two.layer]!.path;
}

async function fill(
  disk: ChainDisk,
  target: Buffer,
  offset: number,
  extent: Extent,
  options: ProgressOptions,
): Promise<void> {
  if (extent.kind === 'data') await disk.read(target, offset, options);
  else target.fill(0);
}

function* sectorsThatDiffer(left: Buffer, right: Buffer, offset: number): Generator<Range> {
  if (left.equals(right)) return;
  let start = -1;
  for (let at = 0; at < left.length; at += sectorBytes) {
    const same = left.subarray(at, at + sectorBytes).equals(right.subarray(at, at + sectorBytes));
    if (!same && start < 0) start = at;
    if (same && start >= 0) {
      yield { offset: offset + start, length: at - start };
      start = -1;
    }
  }
  if (start >= 0) yield { offset: offset + start, length: left.length - start };
}
