/** Places for requests under way. Whoever finds none waits for its turn. */

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

export class RequestWindow {
  #free: number;
  #waiting: Waiter[] = [];
  #closed: { readonly reason: unknown } | undefined;

  constructor(size: number) {
    this.#free = size;
  }

  /** @throws the signal's reason, or that of `close` */
  async take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#closed) throw this.#closed.reason;
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { resolve, reject };
    const onAbort = (): void => {
      this.#waiting = this.#waiting.filter((each) => each !== waiter);
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#waiting.push(waiter);
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next) next.resolve();
    else this.#free += 1;
  }

  /** Rejects those who wait, and those to come. */
  close(reason: unknown): void {
    this.#closed = { reason };
    for (const waiter of this.#waiting.splice(0)) waiter.reject(reason);
  }
}
