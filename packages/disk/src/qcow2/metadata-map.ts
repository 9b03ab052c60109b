/**
 * Which clusters of the file hold structures. Whoever writes asks here first: a damaged or hostile file must not make
 * us write data over its tables, or take a table for free space.
 */
import { diskErrors } from '../errors.ts';

export class MetadataMap {
  readonly #path: string;
  readonly #clusterBytes: number;
  readonly #clusters = new Map<number, string>();

  constructor(path: string, clusterBytes: number) {
    this.#path = path;
    this.#clusterBytes = clusterBytes;
  }

  #indexes(offset: number, length: number): { first: number; end: number } {
    return {
      first: Math.floor(offset / this.#clusterBytes),
      end: Math.ceil((offset + length) / this.#clusterBytes),
    };
  }

  add(what: string, offset: number, length: number = this.#clusterBytes): void {
    const { first, end } = this.#indexes(offset, length);
    for (let index = first; index < end; index += 1) this.#clusters.set(index, what);
  }

  /** Like `add`, for structures that a file names. @throws disk.corrupt if one lies there already */
  claim(what: string, offset: number, length: number = this.#clusterBytes): void {
    this.assertFree(what, offset, length);
    this.add(what, offset, length);
  }

  remove(offset: number, length: number = this.#clusterBytes): void {
    const { first, end } = this.#indexes(offset, length);
    for (let index = first; index < end; index += 1) this.#clusters.delete(index);
  }

  at(offset: number): string | undefined {
    return this.#clusters.get(Math.floor(offset / this.#clusterBytes));
  }

  /** @throws disk.corrupt if one of the clusters holds a structure */
  assertFree(what: string, offset: number, length: number = this.#clusterBytes): void {
    const { first, end } = this.#indexes(offset, length);
    for (let index = first; index < end; index += 1) {
      const there = this.#clusters.get(index);
      if (!there) continue;
      throw diskErrors.corrupt({
        path: this.#path,
        what: `its ${what} at ${index * this.#clusterBytes} lies over its ${there}`,
      });
    }
  }
}
