/**
 * Where a zstd frame ends (RFC 8878 section 3.1.1). The library takes what follows a frame for the next one, but in a
 * qcow2 cluster it is padding.
 */
import { Buffer } from 'node:buffer';

const frameMagic = 0xfd2f_b528;

/** Length of the first frame. @throws RangeError if the bytes hold no whole frame */
export function zstdFrameLength(bytes: Uint8Array): number {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (frame.readUInt32LE(0) !== frameMagic) throw new RangeError('no zstd frame');
  const descriptor = frame.readUInt8(4);
  const singleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >>> 6;
  const sizeBytes = sizeFlag === 0 ? (singleSegment ? 1 : 0) : 2 ** sizeFlag;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  let at = 5 + (singleSegment ? 0 : 1) + dictionaryBytes + sizeBytes;
  for (;;) {
    const block = frame.readUIntLE(at, 3);
    const type = (block >>> 1) & 3;
    // A run-length block holds one byte, however long it expands to.
    at += 3 + (type === 1 ? 1 : block >>> 3);
    if ((block & 1) === 0) continue;
    if ((descriptor & 4) !== 0) at += 4;
    if (at > frame.length) throw new RangeError('the zstd frame is cut short');
    return at;
  }
}
