/** The packs that segments name, numbered through; which of them are doomed is a bit each. */
import { idBytes } from '../pack/blob.ts';

export class PackTable {
  #names = Buffer.alloc(64 * idBytes);
  #doomed = new Uint8Array(64);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Adds the packs of a segment and returns the number of the first one. */
  add(names: Buffer): number {
    const first = this.#count;
    const count = names.length / idBytes;
    while ((first + count) * idBytes > this.#names.length) this.#grow();
    names.copy(this.#names, first * idBytes);
    this.#count += count;
    return first;
  }

  hash(pack: number): string {
    return this.#names.toString('hex', pack * idBytes, (pack + 1) * idBytes);
  }

  isDoomed(pack: number): boolean {
    return this.#doomed[pack] === 1;
  }

  /** Marks the packs that `doomed` holds, and no others. */
  markDoomed(doomed: ReadonlySet<string>): void {
    for (let pack = 0; pack < this.#count; pack += 1) {
      this.#doomed[pack] = doomed.size > 0 && doomed.has(this.hash(pack)) ? 1 : 0;
    }
  }

  /** Marks packs by their numbers, too. */
  markRange(first: number, count: number): void {
    this.#doomed.fill(1, first, first + count);
  }

  #grow(): void {
    this.#names = Buffer.concat([this.#names, Buffer.alloc(this.#names.length)]);
    const flags = new Uint8Array(this.#doomed.length * 2);
    flags.set(this.#doomed);
    this.#doomed = flags;
  }
}
