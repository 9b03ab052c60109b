/** Whether a place in a file holds nothing but zeros: only what the file system says holds data is read. */
import type { Range, SignalOptions } from './disk.ts';
import type { BlockFile } from './file.ts';
import { isZero } from './zeros.ts';

const pieceBytes = 4 * 2 ** 20;

export async function isZeroPlace(file: BlockFile, place: Range, options: SignalOptions): Promise<boolean> {
  const buffer = Buffer.alloc(Math.min(pieceBytes, place.length));
  for (const range of file.dataRanges(place)) {
    for (let done = 0; done < range.length; done += buffer.length) {
      const piece = buffer.subarray(0, Math.min(buffer.length, range.length - done));
      await file.readPadded(piece, range.offset + done, options);
      if (!isZero(piece)) return false;
    }
  }
  return true;
}
