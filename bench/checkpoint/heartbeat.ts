/** A process in the guest writes to its serial console after each piece of its work: the longest silence is its longest stall. */
import type { Duplex } from 'node:stream';

export class Heartbeat implements Disposable {
  readonly #stream: Duplex;
  #last = performance.now();
  #longest = 0;

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on('data', () => {
      const now = performance.now();
      this.#longest = Math.max(this.#longest, now - this.#last);
      this.#last = now;
    });
  }

  /** The longest silence while `work` was done and until the next beat, in ms. */
  async longestDuring(work: () => Promise<unknown>): Promise<number> {
    await this.#beat();
    this.#longest = 0;
    await work();
    await this.#beat();
    return this.#longest;
  }

  #beat(): Promise<void> {
    return new Promise((resolve) => this.#stream.once('data', () => resolve()));
  }

  [Symbol.dispose](): void {
    this.#stream.destroy();
  }
}
