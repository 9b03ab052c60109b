/**
 * Counts requests with an invalid token by address. Past the limit an invalid token is answered with 429 at once;
 * a valid one always passes, so nobody is locked out by what others do. (Tokens have 256 random bits: the limit
 * protects the log and the processor, not the tokens.)
 */
export interface FailedLoginsOptions {
  /** Failures allowed in a window. */
  readonly limit?: number;
  readonly windowMs?: number;
  /** Monotonic, in ms. */
  readonly now?: () => number;
  /** Called when an address reaches the limit, once in a window. */
  readonly onLimit?: (address: string, count: number) => void;
}

interface Window {
  readonly endsAt: number;
  count: number;
}

/** Addresses remembered; with more, the oldest are forgotten. */
const maxAddresses = 10_000;

export class FailedLogins {
  readonly #options: Required<FailedLoginsOptions>;
  readonly #windows = new Map<string, Window>();

  constructor(options: FailedLoginsOptions = {}) {
    this.#options = {
      limit: 10,
      windowMs: 60_000,
      now: () => performance.now(),
      onLimit: () => undefined,
      ...options,
    };
  }

  /** Notes a failure. @returns seconds to wait when the address is past the limit, else null */
  note(address: string): number | null {
    const { limit, now, onLimit } = this.#options;
    const window = this.#window(address, now());
    window.count += 1;
    if (window.count <= limit) return null;
    if (window.count === limit + 1) onLimit(address, limit);
    return Math.max(1, Math.ceil((window.endsAt - now()) / 1000));
  }

  #window(address: string, now: number): Window {
    const present = this.#windows.get(address);
    if (present && present.endsAt > now) return present;
    this.#windows.delete(address);
    const oldest = this.#windows.keys().next();
    if (this.#windows.size >= maxAddresses && !oldest.done) this.#windows.delete(oldest.value);
    const window = { endsAt: now + this.#options.windowMs, count: 0 };
    this.#windows.set(address, window);
    return window;
  }
}
