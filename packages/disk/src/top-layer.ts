/**
 * Only what the topmost file of a chain says, for a copy of it in another format. The copy may not be able to hold as
 * small a piece by itself: a grain of it of which the layer has a part is read whole, with what shows from below.
 */
import type { ChainDisk } from './chain-disk.ts';
import {
  type DiskSource,
  type Extent,
  type ExtentKind,
  type Range,
  type SignalOptions,
  wholeDisk,
} from './disk.ts';

export class TopLayer implements DiskSource {
  readonly #chain: ChainDisk;
  readonly #grainBytes: number;

  /** @param grainBytes of the disk that the content goes to */
  constructor(chain: ChainDisk, grainBytes: number) {
    this.#chain = chain;
    this.#grainBytes = grainBytes;
  }

  get info() {
    return this.#chain.info;
  }

  read(target: Uint8Array, offset: number, options?: SignalOptions): Promise<void> {
    return this.#chain.read(target, offset, options);
  }

  async *extents(range: Range = wholeDisk(this), options?: SignalOptions): AsyncGenerator<Extent> {
    let pending: Extent | undefined;
    for await (const part of this.#grains(this.#chain.layers[0]!.disk.extents(range, options))) {
      if (pending?.kind === part.kind) pending = { ...pending, length: pending.length + part.length };
      else {
        if (pending) yield pending;
        pending = part;
      }
    }
    if (pending) yield pending;
  }

  /** The extents cut at grains. A grain that is not of one kind is data. */
  async *#grains(extents: AsyncIterable<Extent>): AsyncGenerator<Extent> {
    const grain = this.#grainBytes;
    const end = this.info.sizeBytes;
    let open: { readonly offset: number; readonly kind: ExtentKind } | undefined;
    for await (const extent of extents) {
      const stop = extent.offset + extent.length;
      let at = extent.offset;
      if (open) {
        const grainEnd = Math.min(end, open.offset + grain);
        open = { ...open, kind: open.kind === extent.kind ? extent.kind : 'data' };
        if (stop < grainEnd) continue;
        yield { ...open, length: grainEnd - open.offset, layer: 0 };
        at = grainEnd;
        open = undefined;
      }
      const whole = stop === end ? end : stop - (stop % grain);
      if (whole > at) yield { ...extent, offset: at, length: whole - at };
      if (stop > Math.max(at, whole)) open = { offset: Math.max(at, whole), kind: extent.kind };
    }
  }
}
