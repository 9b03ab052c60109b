/**
 * Gives space back: grains of zeros are dropped, clusters from the end of the file move into gaps, and the file is
 * cut behind the last one in use. Each step goes through the writer's order, so a crash leaves the same disk.
 */
import { Buffer } from 'node:buffer';
import type { ProgressOptions } from '../disk.ts';
import type { BlockFile } from '../file.ts';
import { isZero } from '../zeros.ts';
import { Qcow2Image } from './image.ts';
import { clusterOffset } from './l2-table.ts';
import { Qcow2Reader } from './reader.ts';
import {
  emptyEntry,
  isCompressed,
  isCopied,
  isZeroEntry,
  makeEntry,
  makeZeroEntry,
  readEntry,
  writeEntry,
} from './table-entry.ts';
import { Qcow2Writer } from './writer.ts';

const pieceBytes = 2 ** 20;
/** So many moved clusters give their old places back before more are moved. */
const movesPerFlush = 1024;

/** The file must have passed a check. */
export async function compactFile(file: BlockFile, options: ProgressOptions): Promise<void> {
  const image = await Qcow2Image.load(file, { writable: true, signal: options.signal });
  await dropZeros(image, options);
  await image.flush();
  await closeGaps(image, options);
  await image.flush();
  await freeUnused(image);
  await image.seal();
}

async function dropZeros(image: Qcow2Image, options: ProgressOptions): Promise<void> {
  const { grainBytes, tableSpan } = image.geometry;
  const reader = new Qcow2Reader(image);
  const writer = new Qcow2Writer(image, reader);
  const step = Math.max(pieceBytes, image.geometry.clusterBytes);
  const buffer = Buffer.alloc(step);
  const totalBytes = image.sizeBytes;
  for (const span of reader.spans(0, totalBytes)) {
    let at = span.from;
    for (const run of await reader.runs(span, options)) {
      const end = at + run.length;
      for (; run.kind === 'data' && at < end; at += step) {
        options.signal?.throwIfAborted();
        const piece = buffer.subarray(0, Math.min(step, end - at));
        await reader.read(piece, span.base + at, options);
        for (let grain = 0; grain < piece.length; grain += grainBytes) {
          const bytes = piece.subarray(grain, grain + grainBytes);
          if (isZero(bytes)) await writer.zero(span.table, at + grain, at + grain + bytes.length, options);
        }
      }
      at = end;
    }
    options.onProgress?.({ doneBytes: Math.min(totalBytes, span.base + tableSpan), totalBytes });
  }
}

async function closeGaps(image: Qcow2Image, options: ProgressOptions): Promise<void> {
  const { refcounts } = image;
  const { clusterBytes, tableSpan } = image.geometry;
  const inUse = (await refcounts.survey()).used;
  refcounts.searchFrom(0);
  const mover = new ClusterMover(image, inUse * clusterBytes);
  const tables = Math.ceil(image.sizeBytes / tableSpan);
  for (let index = 0; index < tables && !mover.full; index += 1) {
    options.signal?.throwIfAborted();
    if (image.l2Offset(index) === 0 || !isCopied(image.l1Entry(index))) continue;
    await mover.moveTable(index);
    await mover.moveClusters(index);
  }
}

/** Moves what lies at or behind `limit` to free clusters before it. */
class ClusterMover {
  readonly #image: Qcow2Image;
  readonly #limit: number;
  readonly #buffer: Buffer;
  #moves = 0;
  /** No gap is left. */
  full = false;

  constructor(image: Qcow2Image, limit: number) {
    this.#image = image;
    this.#limit = limit;
    this.#buffer = Buffer.alloc(image.geometry.clusterBytes);
  }

  async #gap(): Promise<number | undefined> {
    if (this.#moves === movesPerFlush) {
      this.#moves = 0;
      await this.#image.flush();
    }
    await this.#image.beforeChange();
    const { offset } = await this.#image.refcounts.allocate(1);
    if (offset < this.#limit) {
      this.#moves += 1;
      return offset;
    }
    await this.#image.refcounts.set(offset / this.#image.geometry.clusterBytes, 0);
    this.full = true;
    return undefined;
  }

  async moveTable(index: number): Promise<void> {
    if (this.#image.l2Offset(index) < this.#limit) return;
    const gap = await this.#gap();
    if (gap !== undefined) await this.#image.moveL2Table(index, gap);
  }

  async moveClusters(index: number): Promise<void> {
    const { geometry, file } = this.#image;
    for (let at = 0; at < geometry.clusterBytes && !this.full; at += geometry.entryBytes) {
      const table = (await this.#image.l2Table(index))!;
      const entry = readEntry(table, at);
      if (isCompressed(entry) || !isCopied(entry)) continue;
      const from = clusterOffset(entry, geometry, file.length);
      if (from < this.#limit) continue;
      await this.#moveCluster(index, at, from);
    }
  }

  async #moveCluster(index: number, at: number, from: number): Promise<void> {
    const { geometry, file } = this.#image;
    const { offset } = await this.#image.ownL2Table(index);
    const entry = readEntry(await this.#image.l2.get(offset), at);
    if (!geometry.extendedL2 && isZeroEntry(entry)) {
      const hasParent = this.#image.header.backingName !== undefined;
      writeEntry(await this.#image.l2.get(offset), at, hasParent ? makeZeroEntry() : emptyEntry);
    } else {
      const gap = await this.#gap();
      if (gap === undefined) return;
      await file.readPadded(this.#buffer, from);
      await this.#image.writeData(this.#buffer, gap);
      writeEntry(await this.#image.l2.get(offset), at, makeEntry(gap, true));
    }
    this.#image.l2.touch(offset, at, at + 8);
    this.#image.release(from);
  }
}

/** Cuts the file behind the last cluster in use and makes holes of the free ones before it. */
async function freeUnused(image: Qcow2Image): Promise<void> {
  const { clusterBytes } = image.geometry;
  const { end, free } = await image.refcounts.survey();
  for (const run of free) await image.file.punch(run.offset, run.count * clusterBytes);
  await image.file.sync();
  if (end * clusterBytes < image.file.length) await image.file.truncate(end * clusterBytes);
}
