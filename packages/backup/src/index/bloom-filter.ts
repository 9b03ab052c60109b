/** Bloom filter over ids: ten bits an entry, one in a hundred false (docs/formats/repository.md, "Segment", 4). */
const probes = 7;
const bitsPerEntry = 10;

export function filterBytesFor(entries: number): number {
  return Math.max(8, Math.ceil((entries * bitsPerEntry) / 8));
}

export function addToFilter(filter: Buffer, id: Uint8Array): void {
  const bits = filter.length * 8;
  const a = word(id, 0);
  const b = (word(id, 4) | 1) >>> 0;
  for (let i = 0; i < probes; i += 1) {
    const bit = (a + i * b) % bits;
    filter[Math.floor(bit / 8)]! |= 1 << (bit % 8);
  }
}

export function mayHold(filter: Buffer, id: Uint8Array): boolean {
  const bits = filter.length * 8;
  const a = word(id, 0);
  const b = (word(id, 4) | 1) >>> 0;
  for (let i = 0; i < probes; i += 1) {
    const bit = (a + i * b) % bits;
    if ((filter[Math.floor(bit / 8)]! & (1 << (bit % 8))) === 0) return false;
  }
  return true;
}

function word(id: Uint8Array, at: number): number {
  return (id[at]! | (id[at + 1]! << 8) | (id[at + 2]! << 16) | (id[at + 3]! << 24)) >>> 0;
}
