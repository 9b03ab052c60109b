/** Records of the index: 44 bytes, id · pack · offset · length word (docs/formats/repository.md, "Segment"). */
import { idBytes } from '../pack/blob.ts';

export const recordBytes = 44;

/** Where a blob lies. `pack` is a number in the table that belongs to the record. */
export interface BlobPlace {
  readonly pack: number;
  readonly offset: number;
  readonly word: number;
}

export function writeRecord(target: Buffer, at: number, id: Uint8Array, place: BlobPlace): void {
  target.set(id, at);
  target.writeUInt32LE(place.pack, at + idBytes);
  target.writeUInt32LE(place.offset, at + idBytes + 4);
  target.writeUInt32LE(place.word, at + idBytes + 8);
}

export function readPlace(source: Buffer, at: number): BlobPlace {
  return {
    pack: source.readUInt32LE(at + idBytes),
    offset: source.readUInt32LE(at + idBytes + 4),
    word: source.readUInt32LE(at + idBytes + 8),
  };
}

/** Whether the id at `at` of `source` is `id`. */
export function hasId(source: Buffer, at: number, id: Uint8Array): boolean {
  return source.compare(id, 0, idBytes, at, at + idBytes) === 0;
}

/** The records of `source`, sorted by id. */
export function sortRecords(source: Buffer): Buffer {
  const count = source.length / recordBytes;
  // Ids are hashes: their first 48 bits order nearly all of them, and fit a double together with nothing else.
  const order = Array.from({ length: count }, (_, at) => at);
  const leading = Float64Array.from(order, (at) => source.readUIntBE(at * recordBytes, 6));
  order.sort((a, b) => {
    const difference = leading[a]! - leading[b]!;
    if (difference !== 0) return difference;
    const [x, y] = [a * recordBytes, b * recordBytes];
    return source.compare(source, y, y + idBytes, x, x + idBytes);
  });
  const sorted = Buffer.allocUnsafe(source.length);
  for (let to = 0; to < count; to += 1) {
    const from = order[to]! * recordBytes;
    source.copy(sorted, to * recordBytes, from, from + recordBytes);
  }
  return sorted;
}
