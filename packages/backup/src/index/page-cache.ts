/** The pages used last, up to a number of bytes. */
export class PageCache {
  readonly #limitBytes: number;
  readonly #pages = new Map<string, Buffer>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get(key: string): Buffer | undefined {
    const page = this.#pages.get(key);
    if (!page) return undefined;
    // A Map keeps the order of insertion: putting it in again makes it the youngest.
    this.#pages.delete(key);
    this.#pages.set(key, page);
    return page;
  }

  set(key: string, page: Buffer): void {
    this.#bytes += page.length - (this.#pages.get(key)?.length ?? 0);
    this.#pages.delete(key);
    this.#pages.set(key, page);
    for (const [oldest, content] of this.#pages) {
      if (this.#bytes <= this.#limitBytes) break;
      this.#pages.delete(oldest);
      this.#bytes -= content.length;
    }
  }

  clear(): void {
    this.#pages.clear();
    this.#bytes = 0;
  }
}
