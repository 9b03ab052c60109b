/** Work on the same thing, one after the other, in the order in which it was asked for. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs `work` when all that was asked for before under this key has ended, well or not. */
  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const turn = before.then(work, work);
    this.#last.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#last.get(key) === turn) this.#last.delete(key);
    }
  }

  /** As `take`, for work that ends when the handle is disposed. @throws the signal's reason while it waits */
  async hold(key: string, signal: AbortSignal): Promise<Disposable> {
    const begun = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    void this.take(key, () => {
      begun.resolve();
      return ended.promise;
    });
    const onAbort = (): void => begun.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      if (signal.aborted) onAbort();
      await begun.promise;
      return { [Symbol.dispose]: () => ended.resolve() };
    } catch (cause) {
      // Those behind do not wait for one that left.
      ended.resolve();
      throw cause;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }
}
