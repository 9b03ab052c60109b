/**
 * How much of a pack is read at once. Who follows scattered changes wants a node here and there, and what lies around it is
 * read for nothing; who walks a disk wants what comes next, and each request to a distant store takes its time. So the first
 * read is small, and one that goes on about where the last one ended takes twice as much. Pure.
 */

/** What is read and kept in one piece. */
export const unitBytes = 16 * 1024;
export const mostUnits = 16;
const mostPacks = 64;

interface Last {
  /** The unit behind what was read. */
  readonly next: number;
  readonly count: number;
}

export class ReadAhead {
  /** By pack, the one that was read last at the end. */
  readonly #last = new Map<string, Last>();

  /** How many units to read from `first` on, when `needed` are missing. */
  plan(pack: string, first: number, needed: number): number {
    const last = this.#last.get(pack);
    const goesOn = last !== undefined && first >= last.next && first <= last.next + last.count;
    const count = Math.max(needed, goesOn ? Math.min(last.count * 2, mostUnits) : 0);
    this.#last.delete(pack);
    this.#last.set(pack, { next: first + count, count });
    if (this.#last.size > mostPacks) this.#last.delete(this.#last.keys().next().value!);
    return count;
  }
}
