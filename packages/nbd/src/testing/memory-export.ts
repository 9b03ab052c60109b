/** For tests: a disk in memory that knows which blocks were written. */
import type { Extent } from '../extents.ts';
import type { NbdExport } from '../nbd-export.ts';
import { ALLOCATION_FLAG } from '../protocol.ts';

export const MEMORY_BLOCK = 512;

export class MemoryExport implements Required<Omit<NbdExport, 'preferredBlockSize'>> {
  readonly size: number;
  readonly multiConnection = true;
  readonly bytes: Buffer;
  flushes = 0;
  readonly #allocated: Set<number> = new Set();

  constructor(size: number) {
    this.size = size;
    this.bytes = Buffer.alloc(size);
  }

  async read(offset: number, length: number): Promise<Buffer> {
    return Buffer.from(this.bytes.subarray(offset, offset + length));
  }

  async write(offset: number, data: Buffer): Promise<void> {
    data.copy(this.bytes, offset);
    for (const block of this.#blocks(offset, data.length)) this.#allocated.add(block);
  }

  async zero(offset: number, length: number, mayTrim: boolean): Promise<void> {
    this.bytes.fill(0, offset, offset + length);
    if (mayTrim) await this.trim(offset, length);
    else for (const block of this.#blocks(offset, length)) this.#allocated.add(block);
  }

  /** Frees the blocks that lie wholly in the range. */
  async trim(offset: number, length: number): Promise<void> {
    const first = Math.ceil(offset / MEMORY_BLOCK);
    const end = Math.floor((offset + length) / MEMORY_BLOCK);
    for (let block = first; block < end; block += 1) {
      this.#allocated.delete(block);
      this.bytes.fill(0, block * MEMORY_BLOCK, (block + 1) * MEMORY_BLOCK);
    }
  }

  async flush(): Promise<void> {
    this.flushes += 1;
  }

  *extents(offset: number, length: number): Generator<Extent> {
    for (const block of this.#blocks(offset, length)) {
      const start = Math.max(offset, block * MEMORY_BLOCK);
      const end = Math.min(this.size, (block + 1) * MEMORY_BLOCK);
      yield { offset: start, length: end - start, flags: this.flagsAt(start) };
    }
  }

  flagsAt(offset: number): number {
    const { hole, zero } = ALLOCATION_FLAG;
    return this.#allocated.has(Math.floor(offset / MEMORY_BLOCK)) ? 0 : hole | zero;
  }

  *#blocks(offset: number, length: number): Generator<number> {
    const last = Math.floor((offset + length - 1) / MEMORY_BLOCK);
    for (let block = Math.floor(offset / MEMORY_BLOCK); block <= last; block += 1) yield block;
  }
}
