/** Finding zeros in bytes that were read. Comparing with a zero buffer runs at the speed of memory. */
import { Buffer } from 'node:buffer';
import type { Range } from './disk.ts';

const zeroBytes = Buffer.alloc(2 ** 16);

export function isZero(bytes: Uint8Array): boolean {
  // Most data shows itself in its first bytes: only what looks like zeros is worth a call.
  if (bytes.length === 0) return true;
  if (bytes[0] !== 0 || bytes[bytes.length - 1] !== 0) return false;
  for (let at = 0; at < bytes.length; at += zeroBytes.length) {
    const piece = bytes.subarray(at, at + zeroBytes.length);
    if (
      Buffer.compare(
        piece,
        piece.length === zeroBytes.length ? zeroBytes : zeroBytes.subarray(0, piece.length),
      )
    )
      return false;
  }
  return true;
}

/**
 * The parts of `bytes` that are not zero, as ranges from `offset` on, cut at multiples of `grain` of the disk (of
 * `offset + index`, not of the index).
 */
export function* nonZeroRanges(bytes: Uint8Array, offset: number, grain: number): Generator<Range> {
  let start = -1;
  for (let at = 0; at < bytes.length; ) {
    const next = Math.min(bytes.length, at + grain - ((offset + at) % grain));
    // Data is told by its first or last byte nearly always; only what looks like zeros is worth a slice and a call.
    const zero = bytes[at] === 0 && bytes[next - 1] === 0 && isZero(bytes.subarray(at, next));
    if (!zero && start < 0) start = at;
    if (zero && start >= 0) {
      yield { offset: offset + start, length: at - start };
      start = -1;
    }
    at = next;
  }
  if (start >= 0) yield { offset: offset + start, length: bytes.length - start };
}
