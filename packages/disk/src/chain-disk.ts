/** Layers stacked into the disk that a guest sees. Writes go to the topmost. */
import { Buffer } from 'node:buffer';
import type { ChainLayer } from './chain.ts';
import type { Disk, DiskInfo, Extent, Range, SignalOptions } from './disk.ts';
import { LayerDisk } from './layer.ts';
import { ParallelReads } from './parallel-reads.ts';

/** Reads of one request under way at once. */
const parallelReads = 16;

export class ChainDisk extends LayerDisk {
  /** Topmost first. */
  readonly layers: readonly ChainLayer[];
  readonly #disks: readonly Disk[];
  readonly #top: Disk;

  /** Takes over the layers: closing this closes them. */
  constructor(layers: readonly ChainLayer[]) {
    const top = layers[0]!.disk;
    super(layers[0]!.path, top.readOnly);
    this.layers = layers;
    this.#disks = layers.map(({ disk }) => disk);
    this.#top = top;
  }

  /** Of the topmost layer. */
  get info(): DiskInfo {
    return this.#top.info;
  }

  protected extentsLayer(range: Range, options: SignalOptions): AsyncIterable<Extent> {
    return this.#disks.length === 1
      ? this.#top.extents(range, options)
      : this.#extentsFrom(0, range, options);
  }

  /** What layer `index` and those beneath it say of the range. */
  async *#extentsFrom(index: number, range: Range, options: SignalOptions): AsyncGenerator<Extent> {
    const disk = this.#disks[index]!;
    const { sizeBytes } = disk.info;
    // A parent may be shorter than its child; what it does not have reads as zero.
    const inside = Math.min(range.length, Math.max(0, sizeBytes - range.offset));
    const hasParent = index + 1 < this.#disks.length;
    if (inside > 0) {
      for await (const extent of disk.extents({ offset: range.offset, length: inside }, options)) {
        if (extent.kind === 'hole' && hasParent) yield* this.#extentsFrom(index + 1, extent, options);
        else yield { ...extent, layer: index };
      }
    }
    if (inside === range.length) return;
    yield { offset: range.offset + inside, length: range.length - inside, kind: 'hole', layer: index };
  }

  protected async readLayer(target: Uint8Array, offset: number, options: SignalOptions): Promise<void> {
    if (this.#disks.length === 1) return await this.#top.read(target, offset, options);
    const reads = new ParallelReads(parallelReads);
    for await (const extent of this.#extentsFrom(0, { offset, length: target.length }, options)) {
      const piece = target.subarray(extent.offset - offset, extent.offset - offset + extent.length);
      if (extent.kind === 'data')
        await reads.add(this.#disks[extent.layer]!.read(piece, extent.offset, options));
      else piece.fill(0);
    }
    await reads.settle();
  }

  /**
   * A grain of which only a part is written, and which the topmost layer does not have, is read from below first:
   * the layer by itself would put zeros there.
   */
  protected async writeLayer(source: Uint8Array, offset: number, options: SignalOptions): Promise<void> {
    const { grainBytes, sizeBytes } = this.info;
    const end = offset + source.length;
    let at = offset;
    while (at < end) {
      const grain = at - (at % grainBytes);
      const grainEnd = Math.min(grain + grainBytes, sizeBytes);
      const partial = at > grain || end < grainEnd;
      const stop = partial ? Math.min(end, grainEnd) : wholeGrainsEnd(at, end, grainBytes, sizeBytes);
      const piece = source.subarray(at - offset, stop - offset);
      if (partial && (await this.#isHole({ offset: grain, length: grainEnd - grain }, options))) {
        const whole = Buffer.alloc(grainEnd - grain);
        await this.readLayer(whole, grain, options);
        whole.set(piece, at - grain);
        await this.#top.write(whole, grain, options);
      } else await this.#top.write(piece, at, options);
      at = stop;
    }
  }

  /** Whether the topmost layer has nothing of some part of the range, and something lies beneath. */
  async #isHole(range: Range, options: SignalOptions): Promise<boolean> {
    if (this.#disks.length === 1) return false;
    for await (const { kind } of this.#top.extents(range, options)) if (kind === 'hole') return true;
    return false;
  }

  protected async zeroLayer(offset: number, length: number, options: SignalOptions): Promise<void> {
    const { grainBytes, sizeBytes } = this.info;
    const end = offset + length;
    const first = Math.min(end, Math.ceil(offset / grainBytes) * grainBytes);
    const last = end === sizeBytes ? end : Math.max(first, Math.floor(end / grainBytes) * grainBytes);
    if (first > offset) await this.writeLayer(Buffer.alloc(first - offset), offset, options);
    if (last > first) await this.#top.zero(first, last - first, options);
    if (end > last) await this.writeLayer(Buffer.alloc(end - last), last, options);
  }

  protected flushLayer(): Promise<void> {
    return this.#top.flush();
  }

  protected async releaseLayer(): Promise<void> {
    for (const disk of this.#disks) await disk.close();
  }
}

/** End of the last grain that the range from `at`, where one begins, covers. The disk's last grain may be short. */
function wholeGrainsEnd(at: number, end: number, grainBytes: number, sizeBytes: number): number {
  return end === sizeBytes ? end : Math.max(at, end - (end % grainBytes));
}
