/** Which bytes of a read have arrived. Pure. Chunks may come in any order, but each byte once. */

export class Coverage {
  readonly #length: number;
  /** Disjoint runs [start, end), in order. Servers answer in order, so there is nearly always one. */
  #runs: { start: number; end: number }[] = [];

  constructor(length: number) {
    this.#length = length;
  }

  /** Returns false for what is empty, outside, or has arrived before. */
  add(start: number, length: number): boolean {
    const end = start + length;
    if (length <= 0 || start < 0 || end > this.#length) return false;
    const at = this.#firstAfter(start);
    const before = this.#runs[at - 1];
    const after = this.#runs[at];
    if ((before && before.end > start) || (after && after.start < end)) return false;
    if (before?.end === start) {
      before.end = end;
      if (after?.start === end) {
        before.end = after.end;
        this.#runs.splice(at, 1);
      }
    } else if (after?.start === end) {
      after.start = start;
    } else {
      this.#runs.splice(at, 0, { start, end });
    }
    return true;
  }

  get complete(): boolean {
    const [first] = this.#runs;
    return (
      this.#length === 0 || (this.#runs.length === 1 && first?.start === 0 && first.end === this.#length)
    );
  }

  #firstAfter(start: number): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#runs[middle]!.start <= start) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
