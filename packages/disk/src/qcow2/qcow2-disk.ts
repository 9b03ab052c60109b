/** A qcow2 file as a layer: the guest's reads, writes and zeros on top of `Qcow2Image`. */
import type { DiskInfo, Extent, ExtentKind, Range, SignalOptions } from '../disk.ts';
import { LayerDisk } from '../layer.ts';
import type { BitmapDirectory } from './bitmap-directory.ts';
import type { Qcow2Image } from './image.ts';
import { describe } from './info.ts';
import { Qcow2Reader } from './reader.ts';
import { Qcow2Writer } from './writer.ts';

export class Qcow2Disk extends LayerDisk {
  readonly #image: Qcow2Image;
  readonly #bitmaps: BitmapDirectory | undefined;
  readonly #reader: Qcow2Reader;
  readonly #writer: Qcow2Writer;

  constructor(image: Qcow2Image, bitmaps: BitmapDirectory | undefined, readOnly: boolean) {
    super(image.file.path, readOnly);
    this.#image = image;
    this.#bitmaps = bitmaps;
    this.#reader = new Qcow2Reader(image);
    this.#writer = new Qcow2Writer(image, this.#reader);
  }

  get info(): DiskInfo {
    return describe(this.#image, this.#bitmaps);
  }

  protected override get sizeBytes(): number {
    return this.#image.sizeBytes;
  }

  protected async *extentsLayer(range: Range, options: SignalOptions): AsyncGenerator<Extent> {
    let pending: Extent | undefined;
    for (const span of this.#reader.spans(range.offset, range.offset + range.length)) {
      options.signal?.throwIfAborted();
      let at = span.base + span.from;
      for (const run of await this.#reader.runs(span, options)) {
        const kind: ExtentKind = run.kind === 'compressed' ? 'data' : run.kind;
        if (pending?.kind === kind) pending = { ...pending, length: pending.length + run.length };
        else {
          if (pending) yield pending;
          pending = { offset: at, length: run.length, kind, layer: 0 };
        }
        at += run.length;
      }
    }
    if (pending) yield pending;
  }

  protected readLayer(target: Uint8Array, offset: number, options: SignalOptions): Promise<void> {
    return this.#reader.read(target, offset, options);
  }

  protected async writeLayer(source: Uint8Array, offset: number, options: SignalOptions): Promise<void> {
    for (const span of this.#reader.spans(offset, offset + source.length)) {
      const at = span.base + span.from - offset;
      await this.#writer.write(span.table, source.subarray(at, at + span.to - span.from), span.from, options);
    }
  }

  protected async zeroLayer(offset: number, length: number, options: SignalOptions): Promise<void> {
    for (const span of this.#reader.spans(offset, offset + length)) {
      options.signal?.throwIfAborted();
      await this.#writer.zero(span.table, span.from, span.to, options);
    }
  }

  protected flushLayer(): Promise<void> {
    return this.#image.flush();
  }

  protected override sealLayer(): Promise<void> {
    return this.#image.seal();
  }

  protected releaseLayer(): Promise<void> {
    return this.#image.file.close();
  }
}
