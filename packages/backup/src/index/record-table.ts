/** Records in memory, found by id: a hash table over one buffer, no object for each entry. */
import { type BlobPlace, hasId, readPlace, recordBytes, writeRecord } from './record.ts';

const emptySlot = 0xffff_ffff;

export class RecordTable {
  #records = Buffer.alloc(64 * recordBytes);
  #slots = new Uint32Array(128).fill(emptySlot);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#records.length + this.#slots.byteLength;
  }

  /** The records in the order in which they were added; a view. */
  get records(): Buffer {
    return this.#records.subarray(0, this.#count * recordBytes);
  }

  has(id: Uint8Array): boolean {
    return this.#find(id, 0).ordinal !== -1;
  }

  /** Every place of a blob: a repair or a prune may leave two for a while. */
  *places(id: Uint8Array): Iterable<BlobPlace & { ordinal: number }> {
    let found = this.#find(id, 0);
    while (found.ordinal !== -1) {
      yield { ...readPlace(this.#records, found.ordinal * recordBytes), ordinal: found.ordinal };
      found = this.#find(id, found.probes);
    }
  }

  add(id: Uint8Array, place: BlobPlace): void {
    if ((this.#count + 1) * recordBytes > this.#records.length) this.#growRecords();
    if ((this.#count + 1) * 2 > this.#slots.length) this.#growSlots();
    writeRecord(this.#records, this.#count * recordBytes, id, place);
    this.#link(this.#count);
    this.#count += 1;
  }

  clear(): void {
    this.#records = Buffer.alloc(64 * recordBytes);
    this.#slots = new Uint32Array(128).fill(emptySlot);
    this.#count = 0;
  }

  /** The first match after `skip` probes. Ids are hashes: their first bytes are the hash of the table. */
  #find(id: Uint8Array, skip: number): { ordinal: number; probes: number } {
    const mask = this.#slots.length - 1;
    const start = leadingWord(id, 0);
    for (let probe = skip; ; probe += 1) {
      const ordinal = this.#slots[(start + probe) & mask]!;
      if (ordinal === emptySlot) return { ordinal: -1, probes: probe };
      if (hasId(this.#records, ordinal * recordBytes, id)) return { ordinal, probes: probe + 1 };
    }
  }

  #link(ordinal: number): void {
    const mask = this.#slots.length - 1;
    let slot = leadingWord(this.#records, ordinal * recordBytes) & mask;
    while (this.#slots[slot] !== emptySlot) slot = (slot + 1) & mask;
    this.#slots[slot] = ordinal;
  }

  #growRecords(): void {
    const larger = Buffer.alloc(this.#records.length * 2);
    this.#records.copy(larger);
    this.#records = larger;
  }

  #growSlots(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2).fill(emptySlot);
    for (let ordinal = 0; ordinal < this.#count; ordinal += 1) this.#link(ordinal);
  }
}

function leadingWord(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
