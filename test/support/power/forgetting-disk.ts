/**
 * A disk with a volatile cache, as a real one has: what was written is read back at once, and is on stable storage only
 * after a flush. When its power is cut, a random part of what was not flushed is gone: block by block, in no order.
 */
import type { NbdExport } from '@corral/nbd/nbd-export';
import { randomOf } from '../random.ts';

/** What a write leaves whole or untouched: the block of the file systems that the tests make. */
const blockBytes = 4096;

export interface CutReport {
  /** Blocks whose last write was not flushed, and is gone. */
  readonly forgotten: number;
  /** Blocks whose last write was not flushed, and stayed. */
  readonly kept: number;
}

export class ForgettingDisk implements NbdExport {
  readonly size: number;
  readonly multiConnection = true;
  /** By number; one that was never written is absent. */
  readonly #stable = new Map<number, Buffer>();
  /** Written since the last flush. */
  readonly #cached = new Map<number, Buffer>();
  #hasPower = true;

  /** @param size a multiple of 4096 bytes */
  constructor(size: number) {
    this.size = size;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    this.#assertPower();
    const data = Buffer.alloc(length);
    for (const { block, within, at, bytes } of pieces(offset, length)) {
      this.#content(block)?.copy(data, at, within, within + bytes);
    }
    return data;
  }

  async write(offset: number, data: Buffer): Promise<void> {
    this.#assertPower();
    for (const { block, within, at, bytes } of pieces(offset, data.length)) {
      const content = Buffer.alloc(blockBytes);
      if (bytes < blockBytes) this.#content(block)?.copy(content);
      data.copy(content, within, at, at + bytes);
      this.#cached.set(block, content);
    }
  }

  zero(offset: number, length: number): Promise<void> {
    return this.write(offset, Buffer.alloc(length));
  }

  async flush(): Promise<void> {
    this.#assertPower();
    for (const [block, content] of this.#cached) this.#stable.set(block, content);
    this.#cached.clear();
  }

  /** From now on nothing reaches it any more, and nothing comes back. */
  cut(seed: number): CutReport {
    const below = randomOf(seed);
    let kept = 0;
    for (const [block, content] of this.#cached) {
      if (below(2) === 0) continue;
      kept += 1;
      this.#stable.set(block, content);
    }
    const report = { forgotten: this.#cached.size - kept, kept };
    this.#cached.clear();
    this.#hasPower = false;
    return report;
  }

  restorePower(): void {
    this.#hasPower = true;
  }

  #content(block: number): Buffer | undefined {
    return this.#cached.get(block) ?? this.#stable.get(block);
  }

  #assertPower(): void {
    if (!this.#hasPower) throw Object.assign(new Error('the power is cut'), { code: 'EIO' });
  }
}

interface Piece {
  readonly block: number;
  /** Where it begins within the block, and within the range. */
  readonly within: number;
  readonly at: number;
  readonly bytes: number;
}

function* pieces(offset: number, length: number): Generator<Piece> {
  for (let at = 0; at < length; ) {
    const block = Math.floor((offset + at) / blockBytes);
    const within = (offset + at) % blockBytes;
    const bytes = Math.min(blockBytes - within, length - at);
    yield { block, within, at, bytes };
    at += bytes;
  }
}
