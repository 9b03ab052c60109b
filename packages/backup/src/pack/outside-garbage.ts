/**
 * Each call of zlib leaves 64 KiB outside the heap, held by small objects that only a full collection frees; V8 decides by
 * what is inside the heap, so a busy thread would gather 80 MiB and more. A thread's heap is small, so a full collection
 * takes a few milliseconds; asked for every few blocks of 1 MiB it keeps a backup within 300 MiB of memory.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const everyBytes = 32 * 2 ** 20;

export class OutsideGarbage {
  readonly #collect: () => void;
  #bytes = 0;

  constructor() {
    setFlagsFromString('--expose-gc');
    this.#collect = runInNewContext('gc') as () => void;
  }

  /** Notes that so many bytes went through zlib. */
  note(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < everyBytes) return;
    this.#bytes = 0;
    this.#collect();
  }
}
