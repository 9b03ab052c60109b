/** Which MiBs of a VHDX file are used. Finds structures that share a place, and places for new blocks. */
import type { Range } from '../disk.ts';
import { alignment } from './limits.ts';

export class SpaceMap {
  #bits: Uint8Array;
  /** Length of the file in MiB that the map speaks of; everything behind is free. */
  #length: number;
  #free: number;
  #cursor = 0;

  constructor(fileBytes: number) {
    this.#length = Math.ceil(fileBytes / alignment);
    this.#free = this.#length;
    this.#bits = new Uint8Array(Math.ceil(this.#length / 8));
  }

  /** Length of the file in bytes, a multiple of 1 MiB. */
  get fileBytes(): number {
    return this.#length * alignment;
  }

  get freeBytes(): number {
    return this.#free * alignment;
  }

  /** Free ranges below `limit`. */
  *gaps(limit: number): Generator<Range> {
    const end = Math.min(this.#length, limit / alignment);
    let start = 0;
    for (let index = 0; index <= end; index += 1) {
      if (index < end && !this.#get(index)) continue;
      if (index > start) yield { offset: start * alignment, length: (index - start) * alignment };
      start = index + 1;
    }
  }

  #get(index: number): boolean {
    return index < this.#length && ((this.#bits[index >>> 3] ?? 0) & (1 << (index & 7))) !== 0;
  }

  /** Marks a range, extending the map. False when a part of it is used already; then nothing is marked. */
  take(range: Range): boolean {
    const first = Math.floor(range.offset / alignment);
    const end = Math.ceil((range.offset + range.length) / alignment);
    for (let index = first; index < end; index += 1) if (this.#get(index)) return false;
    this.#extend(end);
    for (let index = first; index < end; index += 1) this.#bits[index >>> 3]! |= 1 << (index & 7);
    this.#free -= end - first;
    return true;
  }

  release(range: Range): void {
    const first = Math.floor(range.offset / alignment);
    const end = Math.ceil((range.offset + range.length) / alignment);
    for (let index = first; index < end; index += 1) this.#bits[index >>> 3]! &= ~(1 << (index & 7));
    this.#free += end - first;
    this.#cursor = Math.min(this.#cursor, first);
  }

  /** First free place below `limit` for `length` bytes, undefined if there is none. Does not take it. */
  find(length: number, limit: number = this.fileBytes): number | undefined {
    const wanted = length / alignment;
    const end = Math.min(this.#length, limit / alignment);
    if (this.#free < wanted) return undefined;
    let run = 0;
    for (let index = this.#firstFree(end); index < end; index += 1) {
      run = this.#get(index) ? 0 : run + 1;
      if (run === wanted) return (index + 1 - wanted) * alignment;
    }
    return undefined;
  }

  /** The cursor only skips what is surely used: bytes of ones. */
  #firstFree(end: number): number {
    let index = this.#cursor;
    while (index < end && this.#get(index))
      index += (index & 7) === 0 && this.#bits[index >>> 3] === 0xff ? 8 : 1;
    this.#cursor = Math.min(index, end);
    return this.#cursor;
  }

  /** End of the last used MiB. */
  get usedEnd(): number {
    let index = this.#length;
    while (index > 0 && !this.#get(index - 1)) index -= 1;
    return index * alignment;
  }

  /** The file became shorter or longer. */
  resize(fileBytes: number): void {
    const length = Math.ceil(fileBytes / alignment);
    if (length > this.#length) {
      this.#extend(length);
      return;
    }
    for (let index = length; index < this.#length; index += 1) if (!this.#get(index)) this.#free -= 1;
    this.#length = length;
    this.#cursor = Math.min(this.#cursor, length);
  }

  #extend(length: number): void {
    if (length <= this.#length) return;
    this.#free += length - this.#length;
    this.#length = length;
    const bytes = Math.ceil(length / 8);
    if (bytes <= this.#bits.length) return;
    const grown = new Uint8Array(Math.max(bytes, this.#bits.length * 2));
    grown.set(this.#bits);
    this.#bits = grown;
  }
}
