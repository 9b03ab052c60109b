/** A disk as a stream in order: several large reads under way while the consumer works on the one before. */
import { Buffer } from 'node:buffer';
import type { DiskSource, Extent, Range, SignalOptions } from './disk.ts';

export interface ReadAheadOptions extends SignalOptions {
  readonly range?: Range | undefined;
  readonly pieceBytes?: number | undefined;
  readonly ahead?: number | undefined;
  /**
   * Gaps between data up to this length are read with it, as the zeros that they are, where it costs less than a turn
   * for each part. Not where it matters what kind a gap is. 0 by default.
   */
  readonly bridgeBytes?: number | undefined;
}

/** A part of one kind. `bytes` are there exactly if it is data, and belong to the consumer until it calls `done`. */
export interface Piece extends Extent {
  readonly bytes?: Buffer;
  /** The bytes are no longer needed; without it, reading stops when all buffers are out. */
  done(): void;
}

/** Longer pieces leave the caches of the processor, shorter ones cost a turn of the event loop too often. */
const defaultPieceBytes = 2 * 2 ** 20;
const defaultAhead = 3;

function nothing(): void {
  // Only pieces with bytes have something to give back.
}

/** Lends out a fixed number of buffers. */
class BufferPool {
  readonly #free: Buffer[];
  #waiting: ((buffer: Buffer) => void) | undefined;

  constructor(count: number, bytes: number) {
    this.#free = Array.from({ length: count }, () => Buffer.allocUnsafeSlow(bytes));
  }

  get available(): boolean {
    return this.#free.length > 0;
  }

  take(): Promise<Buffer> {
    const buffer = this.#free.pop();
    if (buffer) return Promise.resolve(buffer);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  give(buffer: Buffer): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) waiting(buffer);
    else this.#free.push(buffer);
  }
}

interface Outcome {
  readonly piece?: Piece;
  readonly failure?: unknown;
}

/**
 * The parts of the disk in order. Data comes in pieces of at most `pieceBytes` that end at its multiples, so that
 * they fall on whole blocks; what is not data comes in one part however long it is.
 */
export async function* readAhead(disk: DiskSource, options: ReadAheadOptions = {}): AsyncGenerator<Piece> {
  const { pieceBytes = defaultPieceBytes, ahead = defaultAhead, signal } = options;
  // One more than are read ahead: the one that the consumer holds.
  const pool = new BufferPool(ahead + 2, pieceBytes);
  const queue: Promise<Outcome>[] = [];
  try {
    const extents = bridged(disk.extents(options.range, { signal }), options.bridgeBytes ?? 0, pieceBytes);
    for await (const extent of cut(extents, pieceBytes)) {
      if (extent.kind === 'data') {
        while (queue.length > 0 && (queue.length >= ahead || !pool.available)) yield await next(queue);
        queue.push(readPiece(disk, extent, pool, await pool.take(), signal));
      } else {
        queue.push(Promise.resolve({ piece: { ...extent, done: nothing } }));
        while (queue.length > ahead) yield await next(queue);
      }
    }
    while (queue.length > 0) yield await next(queue);
  } finally {
    await Promise.all(queue);
  }
}

async function next(queue: Promise<Outcome>[]): Promise<Piece> {
  const { piece, failure } = await queue.shift()!;
  if (piece) return piece;
  throw failure;
}

/** Never rejects: a failure waits in the queue for its turn. */
async function readPiece(
  disk: DiskSource,
  extent: Extent,
  pool: BufferPool,
  buffer: Buffer,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  try {
    const bytes = buffer.subarray(0, extent.length);
    await disk.read(bytes, extent.offset, { signal });
    return { piece: { ...extent, bytes, done: () => pool.give(buffer) } };
  } catch (failure) {
    return { failure };
  }
}

/** Joins data over short gaps. What is longer than a piece goes on at once: a disk in small parts may be huge. */
async function* bridged(
  extents: AsyncIterable<Extent>,
  bridgeBytes: number,
  pieceBytes: number,
): AsyncGenerator<Extent> {
  let data: Extent | undefined;
  let gap: Extent | undefined;
  for await (const extent of extents) {
    if (extent.kind === 'data') {
      data = data ? { ...data, length: extent.offset + extent.length - data.offset } : extent;
      gap = undefined;
      if (data.length < pieceBytes) continue;
      yield data;
      data = undefined;
    } else if (data && !gap && extent.length <= bridgeBytes) {
      gap = extent;
    } else {
      if (data) yield data;
      if (gap) yield gap;
      data = undefined;
      gap = undefined;
      yield extent;
    }
  }
  if (data) yield data;
  if (gap) yield gap;
}

async function* cut(extents: AsyncIterable<Extent>, pieceBytes: number): AsyncGenerator<Extent> {
  for await (const extent of extents) {
    if (extent.kind !== 'data') {
      yield extent;
      continue;
    }
    const end = extent.offset + extent.length;
    for (let at = extent.offset; at < end; ) {
      const stop = Math.min(end, at - (at % pieceBytes) + pieceBytes);
      yield { ...extent, offset: at, length: stop - at };
      at = stop;
    }
  }
}
