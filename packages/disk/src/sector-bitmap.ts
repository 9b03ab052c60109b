/** Sector bitmaps of differencing disks: VHDX counts bits from the least significant, VHD from the most significant. */

export type BitOrder = 'lsb-first' | 'msb-first';

export interface BitRun {
  readonly start: number;
  readonly end: number;
  readonly set: boolean;
}

function mask(bit: number, order: BitOrder): number {
  return order === 'lsb-first' ? 1 << (bit & 7) : 0x80 >> (bit & 7);
}

export function bitIsSet(bytes: Uint8Array, bit: number, order: BitOrder): boolean {
  return (bytes[bit >>> 3]! & mask(bit, order)) !== 0;
}

/** First bit from `from` on whose value is not `set`, at most `to`. */
function runEnd(bytes: Uint8Array, from: number, to: number, set: boolean, order: BitOrder): number {
  const same = set ? 0xff : 0;
  let bit = from;
  while (bit < to) {
    if ((bit & 7) === 0 && to - bit >= 8 && bytes[bit >>> 3] === same) bit += 8;
    else if (bitIsSet(bytes, bit, order) === set) bit += 1;
    else return bit;
  }
  return to;
}

/** The bits from `from` to `to` as runs of one value. */
export function* bitRuns(bytes: Uint8Array, from: number, to: number, order: BitOrder): Generator<BitRun> {
  let start = from;
  while (start < to) {
    const set = bitIsSet(bytes, start, order);
    const end = runEnd(bytes, start, to, set, order);
    yield { start, end, set };
    start = end;
  }
}

export function fillBits(bytes: Uint8Array, from: number, to: number, set: boolean, order: BitOrder): void {
  let bit = from;
  while (bit < to) {
    if ((bit & 7) === 0 && to - bit >= 8) {
      const whole = Math.floor((to - bit) / 8);
      bytes.fill(set ? 0xff : 0, bit >>> 3, (bit >>> 3) + whole);
      bit += whole * 8;
    } else {
      if (set) bytes[bit >>> 3]! |= mask(bit, order);
      else bytes[bit >>> 3]! &= ~mask(bit, order);
      bit += 1;
    }
  }
}
