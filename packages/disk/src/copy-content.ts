/** The content of one disk into another: reads run ahead, zeros are left out, writes follow in order. */
import type { Disk, DiskSource, ProgressOptions } from './disk.ts';
import { type Piece, readAhead } from './read-ahead.ts';
import { nonZeroRanges } from './zeros.ts';

export interface ContentSurvey {
  readonly dataBytes: number;
  /** The same in whole blocks of the target. */
  readonly blockBytes: number;
}

/** How much there is to copy, from the tables alone. */
export async function surveyContent(
  source: DiskSource,
  targetBlockBytes: number,
  options: ProgressOptions,
): Promise<ContentSurvey> {
  let dataBytes = 0;
  let blocks = 0;
  let lastBlock = -1;
  for await (const { kind, offset, length } of source.extents(undefined, options)) {
    if (kind !== 'data') continue;
    dataBytes += length;
    const first = Math.max(lastBlock + 1, Math.floor(offset / targetBlockBytes));
    const last = Math.floor((offset + length - 1) / targetBlockBytes);
    blocks += Math.max(0, last - first + 1);
    lastBlock = Math.max(lastBlock, last);
  }
  return { dataBytes, blockBytes: blocks * targetBlockBytes };
}

export interface CopyOptions extends ProgressOptions {
  /** Of the progress: what `surveyContent` found. */
  readonly totalBytes: number;
  /** The target has content of its own, or a parent: zeros must be written too. By default, if it has a parent. */
  readonly overwrite?: boolean | undefined;
}

export interface CopyReport {
  readonly readBytes: number;
  readonly writtenBytes: number;
}

/** Zeros of the source that are worth leaving out: a page, which file systems give back, or the target's own grain. */
const leastZeroBytes = 4096;

/** Reading so many zeros costs what another turn of the event loop and of its threads costs. */
export const longestBridge = 65_536;

/** Data, and with `overwrite` zeros; holes of the source leave the target as it is. */
export async function copyContent(
  source: DiskSource,
  target: Disk,
  options: CopyOptions,
): Promise<CopyReport> {
  const copier = new Copier(target, options);
  // A target with nothing of its own has zeros in the gaps anyway.
  const bridgeBytes = copier.overwrites ? 0 : longestBridge;
  for await (const piece of readAhead(source, { ...options, bridgeBytes })) await copier.take(piece);
  return await copier.finish();
}

class Copier {
  readonly #target: Disk;
  readonly #options: CopyOptions;
  readonly #grain: number;
  readonly #overwrite: boolean;
  #last: Promise<unknown> = Promise.resolve();
  #failure: { readonly cause: unknown } | undefined;
  #read = 0;
  #written = 0;

  constructor(target: Disk, options: CopyOptions) {
    this.#target = target;
    this.#options = options;
    this.#grain = Math.max(leastZeroBytes, target.info.grainBytes);
    this.#overwrite = options.overwrite ?? target.info.parent !== undefined;
  }

  /**
   * Sends the writes of a piece on their way; the target puts them in a row, the buffers bound how many.
   *
   * @throws what an earlier write threw
   */
  async take(piece: Piece): Promise<void> {
    if (this.#failure) throw this.#failure.cause;
    const writes = this.#writes(piece);
    this.#last = Promise.all(writes).then(
      () => this.#count(piece),
      (cause: unknown) => {
        this.#failure ??= { cause };
        piece.done();
      },
    );
    // No buffer bounds how many zeros wait.
    if (!piece.bytes && writes.length > 0) await this.#last;
  }

  #writes({ kind, offset, length, bytes }: Piece): readonly Promise<void>[] {
    const { signal } = this.#options;
    if (!bytes) {
      return kind === 'zero' && this.#overwrite ? [this.#target.zero(offset, length, { signal })] : [];
    }
    const writes: Promise<void>[] = [];
    let zeroFrom = offset;
    for (const range of nonZeroRanges(bytes, offset, this.#grain)) {
      if (this.#overwrite && range.offset > zeroFrom) {
        writes.push(this.#target.zero(zeroFrom, range.offset - zeroFrom, { signal }));
      }
      const start = range.offset - offset;
      writes.push(this.#target.write(bytes.subarray(start, start + range.length), range.offset, { signal }));
      this.#written += range.length;
      zeroFrom = range.offset + range.length;
    }
    if (this.#overwrite && zeroFrom < offset + length) {
      writes.push(this.#target.zero(zeroFrom, offset + length - zeroFrom, { signal }));
    }
    return writes;
  }

  #count({ bytes, done }: Piece): void {
    done();
    if (!bytes) return;
    this.#read += bytes.length;
    const { totalBytes } = this.#options;
    // Gaps that were bridged are no part of the total.
    this.#options.onProgress?.({ doneBytes: Math.min(this.#read, totalBytes), totalBytes });
  }

  get overwrites(): boolean {
    return this.#overwrite;
  }

  async finish(): Promise<CopyReport> {
    await this.#last;
    if (this.#failure) throw this.#failure.cause;
    return { readBytes: this.#read, writtenBytes: this.#written };
  }
}
