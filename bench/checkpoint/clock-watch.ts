/**
 * How long a guest stood still, as a process in it sees by its clocks (watch-clocks.sh). Its own clock alone shows nothing:
 * it stands still with the guest. But then it falls behind the clock chip, by exactly the time for which QEMU had stopped
 * the guest. What lies between guest and bench (console, daemon, this process) neither adds to that nor takes from it.
 *
 * A look may be late, since the host gave the guest no processor; never early. So the most timely of several looks counts.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import type { Duplex } from 'node:stream';

/** For a shell in the guest. */
export const watchClocks = readFileSync(new URL('watch-clocks.sh', import.meta.url), 'utf8');

interface Look {
  /** How far the guest's own clock is behind its chip, less what the look was late. */
  readonly behindMs: number;
  /** The longest time between two looks in the second before, by the guest's own clock. */
  readonly gapMs: number;
}

/** What a guest noticed of some work. */
export interface Noticed {
  /** For so long QEMU had stopped it. */
  readonly stoodStillMs: number;
  /** For so long it did not run although it was not stopped: the host had no processor for it, or it waited for QEMU. */
  readonly gapMs: number;
}

/** One a second. */
const looksOnEachSide = 3;
const limitMs = 120_000;

export class ClockWatch implements Disposable {
  readonly #stream: Duplex;
  readonly #lines: Interface;
  readonly #looks: Look[] = [];

  private constructor(stream: Duplex) {
    this.#stream = stream;
    this.#lines = createInterface({ input: stream });
    this.#lines.on('line', (line) => {
      const [, chip, clock, gap] = /clocks (\d+) (\d+) (\d+)/.exec(line) ?? [];
      if (!chip || !clock || !gap) return;
      this.#looks.push({ behindMs: Number(chip) * 1e3 - Number(clock) / 1e3, gapMs: Number(gap) / 1e3 });
    });
  }

  /** @param stream the console of a guest that runs `watchClocks` */
  static async start(stream: Duplex): Promise<ClockWatch> {
    const watch = new ClockWatch(stream);
    await watch.#next(looksOnEachSide);
    return watch;
  }

  /** One piece of work after the other: what the guest saw after one is what it saw before the next. */
  async during(work: () => Promise<unknown>): Promise<Noticed> {
    const before = this.#looks.slice(-looksOnEachSide);
    const from = this.#looks.length;
    await work();
    // The first may have been on its way already.
    await this.#next(1 + looksOnEachSide);
    const after = this.#looks.slice(-looksOnEachSide);
    return {
      stoodStillMs: behind(after) - behind(before),
      gapMs: Math.max(...this.#looks.slice(from).map(({ gapMs }) => gapMs)),
    };
  }

  async #next(count: number): Promise<void> {
    const until = this.#looks.length + count;
    const signal = AbortSignal.timeout(limitMs);
    while (this.#looks.length < until) await once(this.#lines, 'line', { signal });
  }

  [Symbol.dispose](): void {
    this.#lines.close();
    this.#stream.destroy();
  }
}

function behind(looks: readonly Look[]): number {
  return Math.max(...looks.map(({ behindMs }) => behindMs));
}
