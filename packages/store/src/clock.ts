/** Time that only goes forward. Leases are judged on it, so a step of the wall clock ends none (invariant 1). */

export interface Clock {
  /** Milliseconds since some fixed moment. */
  now(): number;
  /** Calls `callback` once, not before `ms` have passed. Returns how to take it back. */
  after(ms: number, callback: () => void): () => void;
}

/** setTimeout takes no more than 31 bits and would fire at once. */
const longestTimer = 2 ** 31 - 1;

export const monotonicClock: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(0, Math.ceil(ms)), longestTimer));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** A clock that a test moves. */
export class ManualClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ at: number; callback: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Lets time pass and fires what is due, earliest first. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#earliest(end); next; next = this.#earliest(end)) {
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
    }
    this.#now = end;
  }

  #earliest(end: number): { at: number; callback: () => void } | undefined {
    return [...this.#timers].filter((timer) => timer.at <= end).toSorted((a, b) => a.at - b.at)[0];
  }
}
