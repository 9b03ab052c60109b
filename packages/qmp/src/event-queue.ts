/** Holds what was pushed until it is taken, in order and bounded. One reader. */

export class EventQueue<T> implements AsyncIterableIterator<T>, Disposable {
  readonly #limit: number;
  readonly #overrun: () => Error;
  readonly #onEnd: () => void;
  #items: T[] = [];
  #end: { readonly reason: unknown } | 'done' | undefined;
  #wake: (() => void) | undefined;

  /**
   * @param limit how many items may wait; one more drops them all and ends the queue with `overrun()`.
   * @param onEnd called once, when nothing more will be taken.
   */
  constructor(limit: number, overrun: () => Error, onEnd: () => void) {
    this.#limit = limit;
    this.#overrun = overrun;
    this.#onEnd = onEnd;
  }

  push(item: T): void {
    if (this.#end) return;
    if (this.#items.length >= this.#limit) {
      this.#items = [];
      this.fail(this.#overrun());
      return;
    }
    this.#items.push(item);
    this.#wake?.();
  }

  /** Ends the queue with an error, after what already waits. */
  fail(reason: unknown): void {
    this.#finish({ reason });
  }

  /** Ends the queue, after what already waits. */
  finish(): void {
    this.#finish('done');
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    while (this.#items.length === 0) {
      const end = this.#end;
      if (end === 'done') return { done: true, value: undefined };
      if (end) {
        this.#end = 'done';
        throw end.reason;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    return { done: false, value: this.#items.shift() as T };
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this[Symbol.dispose]();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.dispose](): void {
    this.#items = [];
    this.finish();
  }

  #finish(end: { readonly reason: unknown } | 'done'): void {
    if (this.#end) return;
    this.#end = end;
    this.#onEnd();
    this.#wake?.();
  }
}
