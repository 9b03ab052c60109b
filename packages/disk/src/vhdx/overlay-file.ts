/**
 * A file with its log replayed in memory: what the log would write lies over what the file has. The file itself is
 * not touched, so a dirty disk can be read from a read-only volume ([MS-VHDX] 2.3.3, note 5).
 */
import type { Range, SignalOptions } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import type { BlockFile } from '../file.ts';
import { logSectorBytes, maxZeroDescriptors } from './limits.ts';
import type { ActiveSequence } from './log-scan.ts';

export class OverlayFile implements BlockFile {
  readonly #file: BlockFile;
  readonly #sectors = new Map<number, Uint8Array>();
  /** Under the sectors: a sector that a later range zeroes is dropped when the overlay is built. */
  readonly #zeros: Range[] = [];
  readonly #length: number;

  /** @throws disk.unsupported-feature for a log with more zero descriptors than any writer makes */
  constructor(file: BlockFile, sequence: ActiveSequence) {
    this.#file = file;
    let length = Math.max(file.length, sequence.lastFileOffset);
    for (const update of sequence.entries.flatMap((entry) => entry.updates)) {
      if (update.kind === 'data') {
        this.#sectors.set(update.fileOffset, update.bytes);
        length = Math.max(length, update.fileOffset + update.bytes.length);
      } else {
        this.#addZeros({ offset: update.fileOffset, length: update.length });
        length = Math.max(length, update.fileOffset + update.length);
      }
    }
    this.#length = length;
  }

  #addZeros(range: Range): void {
    if (this.#zeros.length === maxZeroDescriptors) {
      throw diskErrors['unsupported-feature']({
        path: this.path,
        feature: `a log that zeroes more than ${maxZeroDescriptors} ranges`,
        fix: 'Attach the disk once on the system that wrote it, so that the log is replayed there.',
      });
    }
    this.#zeros.push(range);
    for (const offset of this.#sectors.keys()) {
      if (offset >= range.offset && offset < range.offset + range.length) this.#sectors.delete(offset);
    }
  }

  get path(): string {
    return this.#file.path;
  }

  get length(): number {
    return this.#length;
  }

  get isRegular(): boolean {
    return this.#file.isRegular;
  }

  async readUpTo(target: Uint8Array, offset: number, options?: SignalOptions): Promise<number> {
    const length = Math.max(0, Math.min(target.length, this.#length - offset));
    const wanted = target.subarray(0, length);
    await this.#file.readPadded(wanted, offset, options);
    for (const range of this.#zeros) {
      const from = Math.max(range.offset, offset);
      const to = Math.min(range.offset + range.length, offset + length);
      if (from < to) wanted.fill(0, from - offset, to - offset);
    }
    this.#laySectors(wanted, offset);
    return length;
  }

  #laySectors(target: Uint8Array, offset: number): void {
    const end = offset + target.length;
    for (const [at, bytes] of this.#sectorsIn(offset, end)) {
      const from = Math.max(at, offset);
      const to = Math.min(at + bytes.length, end);
      target.set(bytes.subarray(from - at, to - at), from - offset);
    }
  }

  /** By whichever is shorter: the range or the overlay. */
  *#sectorsIn(start: number, end: number): Generator<[number, Uint8Array]> {
    if ((end - start) / logSectorBytes > this.#sectors.size) {
      for (const [at, bytes] of this.#sectors) if (at < end && at + bytes.length > start) yield [at, bytes];
      return;
    }
    for (let at = start - (start % logSectorBytes); at < end; at += logSectorBytes) {
      const bytes = this.#sectors.get(at);
      if (bytes) yield [at, bytes];
    }
  }

  async readExact(target: Uint8Array, offset: number, what: string, options?: SignalOptions): Promise<void> {
    const got = await this.readUpTo(target, offset, options);
    if (got === target.length) return;
    const { path } = this;
    throw diskErrors.truncated({
      path,
      what,
      fileOffset: offset,
      length: target.length,
      fileBytes: this.length,
    });
  }

  async readPadded(target: Uint8Array, offset: number, options?: SignalOptions): Promise<void> {
    const got = await this.readUpTo(target, offset, options);
    target.fill(0, got);
  }

  /** Holes are not looked for under an overlay: everything may be data. */
  *dataRanges(range: Range): Generator<Range> {
    yield range;
  }

  occupiedBytes(): Promise<number> {
    return this.#file.occupiedBytes();
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  writeAll(): Promise<void> {
    return this.#refuse();
  }

  writeVector(): Promise<void> {
    return this.#refuse();
  }

  writeZeros(): Promise<void> {
    return this.#refuse();
  }

  truncate(): Promise<void> {
    return this.#refuse();
  }

  punch(): Promise<void> {
    return this.#refuse();
  }

  reserve(): Promise<void> {
    return this.#refuse();
  }

  sync(): Promise<void> {
    return this.#refuse();
  }

  async #refuse(): Promise<never> {
    throw diskErrors['read-only']({ path: this.path });
  }
}
