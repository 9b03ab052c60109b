/** A limit of bandwidth that any number of readers share: each piece takes its time, one after the other. */
import { delay } from '@corral/core/abort';

export class Pace {
  readonly #bytesPerMs: number;
  /** When the pieces that were let through so far have had their time. */
  #freeAt = 0;

  /** @param bytesPerSecond null: no limit */
  constructor(bytesPerSecond: number | null) {
    this.#bytesPerMs = bytesPerSecond === null ? Number.POSITIVE_INFINITY : bytesPerSecond / 1000;
  }

  /** Resolves when `bytes` may have passed. Rejects with the signal's reason. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const now = performance.now();
    this.#freeAt = Math.max(now, this.#freeAt) + bytes / this.#bytesPerMs;
    // Timers are of whole milliseconds: what is less is waited for together with later pieces.
    const wait = Math.floor(this.#freeAt - now);
    if (wait >= 1) await delay(wait, signal);
  }
}
