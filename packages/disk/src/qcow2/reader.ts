/** Guest bytes to bytes of the file: the disk cut into spans of one L2 table each, and reads along their runs. */
import { Buffer } from 'node:buffer';
import type { SignalOptions } from '../disk.ts';
import { ParallelReads } from '../parallel-reads.ts';
import { expandCluster } from './compressed.ts';
import type { Qcow2Image } from './image.ts';
import { type Run, type StoredRun, tableRuns } from './l2-table.ts';

/** Reads of one request under way at once: a scattered disk has many small runs. */
const parallelReads = 16;

/** A part of the disk that one L2 table maps; `from` and `to` count from the first byte that the table maps. */
export interface Span {
  readonly table: number;
  /** Guest offset of that byte. */
  readonly base: number;
  readonly from: number;
  readonly to: number;
}

export class Qcow2Reader {
  readonly #image: Qcow2Image;

  constructor(image: Qcow2Image) {
    this.#image = image;
  }

  *spans(offset: number, end: number): Generator<Span> {
    const { tableSpan } = this.#image.geometry;
    for (let at = offset; at < end; ) {
      const table = Math.floor(at / tableSpan);
      const base = table * tableSpan;
      const to = Math.min(end - base, tableSpan);
      yield { table, base, from: at - base, to };
      at = base + to;
    }
  }

  async runs(span: Span, options: SignalOptions): Promise<readonly Run[]> {
    const { geometry, file } = this.#image;
    const table = await this.#image.l2Table(span.table, options);
    try {
      return [...tableRuns(table, geometry, span.from, span.to, file.length)];
    } catch (cause) {
      throw this.#image.explain(cause, span.base + span.from);
    }
  }

  async read(target: Uint8Array, offset: number, options: SignalOptions): Promise<void> {
    const reads = new ParallelReads(parallelReads);
    let at = 0;
    for (const span of this.spans(offset, offset + target.length)) {
      for (const run of await this.runs(span, options)) {
        const piece = target.subarray(at, at + run.length);
        at += run.length;
        if (run.kind === 'data' || run.kind === 'compressed')
          await reads.add(this.#readRun(piece, run, options));
        else piece.fill(0);
      }
    }
    await reads.settle();
  }

  async #readRun(target: Uint8Array, run: StoredRun, options: SignalOptions): Promise<void> {
    const { file, header, geometry } = this.#image;
    // The last cluster of a file may be cut short; what is missing was never written.
    if (run.kind === 'data') return await file.readPadded(target, run.hostOffset, options);
    const packed = Buffer.allocUnsafe(Math.min(run.hostLength, file.length - run.hostOffset));
    await file.readExact(packed, run.hostOffset, 'compressed cluster', options);
    const cluster = await expandCluster(file.path, packed, header.compression, geometry.clusterBytes);
    target.set(cluster.subarray(run.clusterOffset, run.clusterOffset + target.length));
  }
}
