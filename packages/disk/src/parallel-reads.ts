/** Reads of one request that run beside each other, a bounded number at once. */
export class ParallelReads {
  readonly #limit: number;
  #running: Promise<void>[] = [];
  #failure: { readonly cause: unknown } | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Waits only while too many run. @throws what an earlier one threw */
  async add(read: Promise<void>): Promise<void> {
    // Handled at once: one that fails while another is waited for must not end the process.
    const handled = read.catch((cause: unknown) => {
      this.#failure ??= { cause };
    });
    this.#running.push(handled);
    if (this.#running.length >= this.#limit) await this.settle();
  }

  /** All that were added are over. @throws what the first to fail threw */
  async settle(): Promise<void> {
    await Promise.all(this.#running.splice(0));
    if (this.#failure) throw this.#failure.cause;
  }
}
