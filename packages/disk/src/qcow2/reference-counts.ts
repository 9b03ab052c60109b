/** Counts references per cluster of a file, in pages, so that a sparse file takes memory only for what is used. */
import { diskErrors } from '../errors.ts';

const pageEntries = 4096;
/** 1 GiB of counts: 2^28 clusters, 16 TiB of clusters of 64 KiB. */
const maxPages = 2 ** 16;

export class ReferenceCounts {
  readonly #path: string;
  readonly #pages = new Map<number, Uint32Array>();
  #end = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** One more than the highest cluster that was counted. */
  get end(): number {
    return this.#end;
  }

  get(cluster: number): number {
    return this.#pages.get(Math.floor(cluster / pageEntries))?.[cluster % pageEntries] ?? 0;
  }

  /** Returns the new count. @throws disk.unsupported-feature if the file is too scattered to count */
  add(cluster: number): number {
    const index = Math.floor(cluster / pageEntries);
    let page = this.#pages.get(index);
    if (!page) {
      if (this.#pages.size === maxPages) {
        throw diskErrors['unsupported-feature']({
          path: this.#path,
          feature: 'more clusters than can be counted in 1 GiB of memory',
          fix: 'Check it with "qemu-img check", or convert it to larger clusters.',
        });
      }
      page = new Uint32Array(pageEntries);
      this.#pages.set(index, page);
    }
    this.#end = Math.max(this.#end, cluster + 1);
    return ++page[cluster % pageEntries]!;
  }

  /** Clusters in pages that hold a count, in order. */
  *clusters(): Generator<number> {
    for (const index of [...this.#pages.keys()].sort((a, b) => a - b)) {
      const page = this.#pages.get(index)!;
      for (let at = 0; at < pageEntries; at += 1) if (page[at] !== 0) yield index * pageEntries + at;
    }
  }
}
