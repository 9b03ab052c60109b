/**
 * What every layer does alike around its format: ranges, states and the order of writes.
 * A format fills in the `...Layer` methods and may trust their arguments.
 */
import { type Disk, type DiskInfo, type Extent, type Range, type SignalOptions, wholeDisk } from './disk.ts';
import { diskErrors } from './errors.ts';

export abstract class LayerDisk implements Disk {
  readonly path: string;
  readonly readOnly: boolean;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #lastWrite: Promise<unknown> = Promise.resolve();

  constructor(path: string, readOnly: boolean) {
    this.path = path;
    this.readOnly = readOnly;
  }

  abstract get info(): DiskInfo;
  /** As in `info`, which costs more to put together. */
  protected get sizeBytes(): number {
    return this.info.sizeBytes;
  }
  protected abstract extentsLayer(range: Range, options: SignalOptions): AsyncIterable<Extent>;
  protected abstract readLayer(target: Uint8Array, offset: number, options: SignalOptions): Promise<void>;
  protected abstract writeLayer(source: Uint8Array, offset: number, options: SignalOptions): Promise<void>;
  protected abstract zeroLayer(offset: number, length: number, options: SignalOptions): Promise<void>;
  protected abstract flushLayer(): Promise<void>;
  /** Releases the file after the last flush, also when that failed. */
  protected abstract releaseLayer(): Promise<void>;
  /** Marks the file clean, after the last flush. */
  protected sealLayer(): Promise<void> {
    return Promise.resolve();
  }

  extents(range: Range = wholeDisk(this), options: SignalOptions = {}): AsyncIterable<Extent> {
    this.#check(range.offset, range.length);
    return this.extentsLayer(range, options);
  }

  async read(target: Uint8Array, offset: number, options: SignalOptions = {}): Promise<void> {
    this.#check(offset, target.length);
    options.signal?.throwIfAborted();
    if (target.length > 0) await this.readLayer(target, offset, options);
  }

  write(source: Uint8Array, offset: number, options: SignalOptions = {}): Promise<void> {
    return this.#change(offset, source.length, options, () => this.writeLayer(source, offset, options));
  }

  zero(offset: number, length: number, options: SignalOptions = {}): Promise<void> {
    return this.#change(offset, length, options, () => this.zeroLayer(offset, length, options));
  }

  async flush(options: SignalOptions = {}): Promise<void> {
    if (this.#state !== 'open') throw diskErrors.closed({ path: this.path });
    options.signal?.throwIfAborted();
    if (!this.readOnly) await this.#inRow(() => this.flushLayer());
  }

  async close(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    try {
      if (!this.readOnly) {
        await this.#inRow(async () => {
          await this.flushLayer();
          await this.sealLayer();
        });
      }
    } finally {
      this.#state = 'closed';
      await this.releaseLayer();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #change(
    offset: number,
    length: number,
    options: SignalOptions,
    work: () => Promise<void>,
  ): Promise<void> {
    this.#check(offset, length);
    if (this.readOnly) throw diskErrors['read-only']({ path: this.path });
    if (length === 0) return;
    await this.#inRow(() => {
      options.signal?.throwIfAborted();
      return work();
    });
  }

  /** Runs after all that was asked for before, whether that succeeded or not. */
  #inRow(work: () => Promise<void>): Promise<void> {
    const mine = this.#lastWrite.then(work, work);
    this.#lastWrite = mine;
    return mine;
  }

  #check(offset: number, length: number): void {
    if (this.#state !== 'open') throw diskErrors.closed({ path: this.path });
    const { sizeBytes } = this;
    if (Number.isSafeInteger(offset) && offset >= 0 && length >= 0 && offset + length <= sizeBytes) return;
    throw diskErrors['out-of-range']({ path: this.path, offset, length, sizeBytes });
  }
}
