/**
 * Each block that is sealed or opened leaves 64 KiB outside the heap, held by a small object that is dead at once. V8 lets
 * some 64 MiB of that gather in each thread before it looks; collecting the young, which takes a fraction of a
 * millisecond, frees it all.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const everyBytes = 8 * 2 ** 20;

type Collect = (options: { readonly type: 'minor' }) => void;

export class OutsideGarbage {
  readonly #collect: Collect;
  #bytes = 0;

  constructor() {
    setFlagsFromString('--expose-gc');
    this.#collect = runInNewContext('gc') as Collect;
  }

  /** Notes what one request put through ciphers. */
  note(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < everyBytes) return;
    this.#bytes = 0;
    this.#collect({ type: 'minor' });
  }
}
