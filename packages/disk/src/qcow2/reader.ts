/** Guest bytes to bytes of the file: the disk cut into spans of one L2 table each, and reads along their runs. */
import { Buffer } from 'node:buffer';
import type { SignalOptions } from '../disk.ts';
import { ParallelReads } from '../parallel-reads.ts';
import { expandCluster } from './compressed.ts';
import type { Qcow2Image } from './image.ts';
import { type Run, tableRuns } from './l2-table.ts';

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

type CompressedRun = Extract<Run, { kind: 'compressed' }>;

interface PackedCluster {
  readonly run: CompressedRun;
  readonly target: Uint8Array;
}

/** Compressed clusters share sectors with their neighbours; what is read of them at once is bounded. */
const packedBytes = 2 ** 20;

/** Whether the run lies so close behind the others that one read brings them all. */
function continues(clusters: readonly PackedCluster[], run: CompressedRun): boolean {
  const first = clusters[0]?.run;
  const last = clusters.at(-1)?.run;
  if (!first || !last) return true;
  const near = run.hostOffset >= first.hostOffset && run.hostOffset <= last.hostOffset + last.hostLength;
  return near && run.hostOffset + run.hostLength - first.hostOffset <= packedBytes;
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
    let packed: PackedCluster[] = [];
    for (const span of this.spans(offset, offset + target.length)) {
      for (const run of await this.runs(span, options)) {
        const piece = target.subarray(at, at + run.length);
        at += run.length;
        if (run.kind === 'compressed') {
          if (!continues(packed, run)) {
            await reads.add(this.#readPacked(packed, options));
            packed = [];
          }
          packed.push({ run, target: piece });
        } else if (run.kind === 'data') {
          // The last cluster of a file may be cut short; what is missing was never written.
          await reads.add(this.#image.file.readPadded(piece, run.hostOffset, options));
        } else piece.fill(0);
      }
    }
    await reads.add(this.#readPacked(packed, options));
    await reads.settle();
  }

  /** Compressed clusters that lie behind one another in the file, with one read. */
  async #readPacked(clusters: readonly PackedCluster[], options: SignalOptions): Promise<void> {
    const [first] = clusters;
    if (!first) return;
    const { file, header, geometry } = this.#image;
    const start = first.run.hostOffset;
    const end = Math.max(...clusters.map(({ run }) => run.hostOffset + run.hostLength));
    const bytes = Buffer.allocUnsafe(Math.min(end, file.length) - start);
    await file.readExact(bytes, start, 'compressed cluster', options);
    for (const { run, target } of clusters) {
      const packed = bytes.subarray(run.hostOffset - start, run.hostOffset - start + run.hostLength);
      const cluster = await expandCluster(file.path, packed, header.compression, geometry.clusterBytes);
      target.set(cluster.subarray(run.clusterOffset, run.clusterOffset + target.length));
    }
  }
}
