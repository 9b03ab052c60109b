/** The outside of a zstd frame (RFC 8878, 3.1.1): where it ends, without unpacking anything. */

const magic = 0xfd2fb528;
const blockHeaderBytes = 3;
const checksumBytes = 4;
/** Frame_Content_Size_flag, Dictionary_ID_flag → bytes of the field. */
const contentSizeBytes = [0, 2, 4, 8] as const;
const dictionaryIdBytes = [0, 1, 2, 4] as const;
const rle = 1;
const reserved = 3;

/** Whether `packed` is one frame from its first to its last byte: a decoder that took it waits for no more of it. */
export function isWholeFrame(packed: Buffer): boolean {
  if (packed.length < 5 || packed.readUInt32LE() !== magic) return false;
  const descriptor = packed[4]!;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = (descriptor >>> 6) as 0 | 1 | 2 | 3;
  const sizeBytes = sizeFlag === 0 && isSingleSegment ? 1 : contentSizeBytes[sizeFlag];
  const idFlag = (descriptor & 3) as 0 | 1 | 2 | 3;
  let at = 5 + (isSingleSegment ? 0 : 1) + dictionaryIdBytes[idFlag] + sizeBytes;
  for (let isLast = false; !isLast; ) {
    if (at + blockHeaderBytes > packed.length) return false;
    const header = packed.readUIntLE(at, blockHeaderBytes);
    const type = (header >>> 1) & 3;
    if (type === reserved) return false;
    isLast = (header & 1) !== 0;
    at += blockHeaderBytes + (type === rle ? 1 : header >>> 3);
  }
  return at + ((descriptor & 4) === 0 ? 0 : checksumBytes) === packed.length;
}
