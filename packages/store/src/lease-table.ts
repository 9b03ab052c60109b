/** The leases of a store in this process, judged on a monotonic clock. */
import type { Clock } from './clock.ts';

interface Row {
  readonly ttlMs: number;
  endsAt: number;
}

export class LeaseTable {
  readonly #clock: Clock;
  readonly #onDue: () => void;
  readonly #rows = new Map<string, Row>();
  #cancelTimer: (() => void) | undefined;

  /** @param onDue called when a lease may have ended; it looks at `due()` */
  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** Begins a lease, or begins its time again. */
  start(id: string, ttlMs: number): void {
    this.#rows.set(id, { ttlMs, endsAt: this.#clock.now() + ttlMs });
    this.#schedule();
  }

  /** False when it has ended: an ended lease is never revived, though its keys may still stand for a moment. */
  renew(id: string): boolean {
    const row = this.#rows.get(id);
    if (!row || row.endsAt <= this.#clock.now()) return false;
    row.endsAt = this.#clock.now() + row.ttlMs;
    this.#schedule();
    return true;
  }

  /** Its time is over, whatever was left of it. */
  end(id: string): void {
    const row = this.#rows.get(id);
    if (row) row.endsAt = this.#clock.now();
  }

  /** Until its keys are deleted, also when it has ended. */
  knows(id: string): boolean {
    return this.#rows.has(id);
  }

  has(id: string): boolean {
    return this.remainingMs(id) > 0;
  }

  remainingMs(id: string): number {
    return Math.max(0, (this.#rows.get(id)?.endsAt ?? 0) - this.#clock.now());
  }

  remove(id: string): void {
    this.#rows.delete(id);
    this.#schedule();
  }

  due(): readonly string[] {
    const now = this.#clock.now();
    return [...this.#rows].filter(([, row]) => row.endsAt <= now).map(([id]) => id);
  }

  /** Looks again later although something is due already: its keys could not be deleted now. */
  postpone(ms: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#clock.after(ms, this.#onDue);
  }

  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#rows.clear();
  }

  #schedule(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#rows.size === 0) return;
    const earliest = Math.min(...[...this.#rows.values()].map((row) => row.endsAt));
    this.#cancelTimer = this.#clock.after(earliest - this.#clock.now(), this.#onDue);
  }
}
