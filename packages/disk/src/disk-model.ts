/** The simplest disk there is: an array, and which grains of it were ever written. The judge of the conformance suite. */
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import type { DiskInfo, Range } from './disk.ts';

export interface DiskOperation {
  readonly kind: 'write' | 'zero' | 'read' | 'flush';
  /** Where, as a part of the disk, 0 to 1. */
  readonly position: number;
  /** Moved to the nearest multiple of a sector, a grain or a block, or left where it is. */
  readonly align: 'none' | 'sector' | 'grain' | 'block';
  /** Bytes beside the alignment, to miss it narrowly. */
  readonly shift: -1 | 0 | 1;
  readonly span: 'bytes' | 'sectors' | 'grain' | 'blocks';
  readonly amount: number;
  readonly seed: number;
}

export const operations: fc.Arbitrary<readonly DiskOperation[]> = fc.array(
  fc.record<DiskOperation>({
    kind: fc.constantFrom('write', 'write', 'write', 'zero', 'zero', 'read', 'flush'),
    position: fc.double({ min: 0, max: 1, noNaN: true }),
    align: fc.constantFrom('none', 'sector', 'grain', 'block'),
    shift: fc.constantFrom(0, 0, 0, 1, -1),
    span: fc.constantFrom('bytes', 'sectors', 'grain', 'blocks'),
    amount: fc.integer({ min: 1, max: 4 }),
    seed: fc.integer({ min: 1, max: 255 }),
  }),
  { minLength: 1, maxLength: 12 },
);

export class DiskModel {
  readonly content: Buffer;
  readonly #grainBytes: number;
  readonly #blockBytes: number;
  readonly #touched: Uint8Array;

  constructor(info: DiskInfo) {
    this.content = Buffer.alloc(info.sizeBytes);
    this.#grainBytes = info.grainBytes;
    this.#blockBytes = Math.max(info.blockBytes, 4096);
    this.#touched = new Uint8Array(Math.ceil(info.sizeBytes / info.grainBytes));
  }

  /** Where the operation falls on this disk; never outside it. */
  place({ position, align, shift, span, amount }: DiskOperation): Range {
    const size = this.content.length;
    const step = { none: 1, sector: 512, grain: this.#grainBytes, block: this.#blockBytes }[align];
    const wanted = Math.round((position * size) / step) * step + shift;
    const offset = Math.min(Math.max(0, wanted), size);
    const unit = { bytes: 37, sectors: 512, grain: this.#grainBytes, blocks: this.#blockBytes }[span];
    return { offset, length: Math.min(size - offset, unit * amount) };
  }

  /** Bytes that tell by their value where they belong, so that a block in a wrong place is seen. */
  pattern(seed: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; at += 1) bytes[at] = (((at >>> 8) * 31 + at + seed * 7) % 255) | 1;
    return bytes;
  }

  apply(operation: DiskOperation): void {
    const { offset, length } = this.place(operation);
    if (operation.kind === 'write') this.set(this.pattern(operation.seed, length), offset);
    else if (operation.kind === 'zero') this.set(Buffer.alloc(length), offset);
  }

  set(bytes: Uint8Array, offset: number): void {
    if (bytes.length === 0) return;
    this.content.set(bytes, offset);
    const first = Math.floor(offset / this.#grainBytes);
    this.#touched.fill(1, first, Math.ceil((offset + bytes.length) / this.#grainBytes));
  }

  touchedIn(offset: number, length: number): { readonly any: boolean; readonly all: boolean } {
    const first = Math.floor(offset / this.#grainBytes);
    const part = this.#touched.subarray(first, Math.ceil((offset + length) / this.#grainBytes));
    return { any: part.includes(1), all: !part.includes(0) };
  }
}
