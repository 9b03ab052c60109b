/**
 * Each call of zlib leaves 64 KiB outside the heap, held by small objects that only a full collection frees; V8 decides by
 * what is inside the heap, so a busy thread would gather 80 MiB and more. A thread's heap is small, so a full collection
 * takes a few milliseconds; asked for every few blocks of 1 MiB it keeps a backup within 300 MiB of memory.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { WorkerRequest } from './worker-protocol.ts';

const everyBytes = 48 * 2 ** 20;
/** Packing leaves most, and runs beside packs that wait for the store: it is collected sooner. */
const packingWeight = 6;
/** A pack unpacks to about twice what is read of it. */
const provingWeight = 2;

export class OutsideGarbage {
  readonly #collect: () => void;
  #bytes = 0;

  constructor() {
    setFlagsFromString('--expose-gc');
    this.#collect = runInNewContext('gc') as () => void;
  }

  /** Notes what one request put through zlib. */
  note(request: WorkerRequest): void {
    this.#bytes += workOf(request);
    if (this.#bytes < everyBytes) return;
    this.#bytes = 0;
    this.#collect();
  }
}

function workOf(request: WorkerRequest): number {
  switch (request.type) {
    case 'encode':
      return request.data.byteLength * packingWeight;
    case 'decode':
      return request.out.byteLength;
    case 'prove':
      return request.length * provingWeight;
    case 'flush':
      return 0;
  }
}
