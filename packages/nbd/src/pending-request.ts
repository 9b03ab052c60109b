/**
 * A request whose reply is still to come: what may arrive for it, and where it goes. Pure. Where a method returns a
 * text, it says how what arrived breaks the protocol; undefined is well.
 */
import { Coverage } from './coverage.ts';
import type { Extent } from './extents.ts';
import { COMMAND, errnoName } from './protocol.ts';

const MAX_EXTENTS = 2 ** 20;

/** What the server said it could not do. */
export interface RequestFailure {
  readonly errno: string;
  readonly desc: string;
}

export type Breach = string | undefined;

export class PendingRequest {
  readonly type: number;
  readonly offset: number;
  readonly length: number;
  readonly promise: Promise<void>;
  /** By context id, for a block status. */
  readonly extents = new Map<number, Extent[]>();
  readonly #resolve: () => void;
  readonly #reject: (reason: unknown) => void;
  readonly #coverage: Coverage;
  #target: Buffer | undefined;
  #chunks = 0;
  #failure: RequestFailure | undefined;

  /** @param target where a read's data goes; as long as `length`. */
  constructor(type: number, offset: number, length: number, target?: Buffer) {
    this.type = type;
    this.offset = offset;
    this.length = length;
    this.#target = target;
    this.#coverage = new Coverage(length);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.promise = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** What the server said, once the reply has ended. */
  get failure(): RequestFailure | undefined {
    return this.#failure;
  }

  /** From now on what arrives is dropped: the caller has its buffer back. */
  abandon(): void {
    this.#target = undefined;
  }

  /** Announces data of a read, at `at` from its beginning. */
  expectData(at: number, length: number): Breach {
    if (this.type === COMMAND.read && this.#coverage.add(at, length)) return this.#countChunk();
    return `${length} bytes of data at ${at} of a request for ${this.length} bytes`;
  }

  copyData(at: number, data: Buffer): void {
    if (this.#target) data.copy(this.#target, at);
  }

  fillZeroes(at: number, length: number): void {
    this.#target?.fill(0, at, at + length);
  }

  /** Extents that reach behind the end are cut, as the protocol allows for the last one. */
  addExtents(context: number, list: readonly { readonly length: number; readonly flags: number }[]): Breach {
    if (this.type !== COMMAND.blockStatus || this.extents.has(context)) {
      return 'a block status that was not asked for';
    }
    const extents: Extent[] = [];
    const end = this.offset + this.length;
    let offset = this.offset;
    for (const { length, flags } of list) {
      if (length === 0 || offset >= end) return 'an empty extent, or one behind the end';
      extents.push({ offset, length: Math.min(length, end - offset), flags });
      offset += length;
    }
    this.extents.set(context, extents);
    return this.#countChunk();
  }

  fail(errno: number, desc: string): Breach {
    this.#failure ??= { errno: errnoName(errno), desc };
    return this.#countChunk();
  }

  /** The reply has ended. */
  finish(): Breach {
    if (!this.#failure) {
      if (this.type === COMMAND.read && !this.#coverage.complete)
        return 'a read ended before all data had come';
      if (this.type === COMMAND.blockStatus && this.extents.size === 0)
        return 'a block status without extents';
    }
    this.#resolve();
    return undefined;
  }

  /** The connection has ended. */
  reject(reason: unknown): void {
    this.#reject(reason);
  }

  /** A server may not keep a request alive by tiny pieces. */
  #countChunk(): Breach {
    this.#chunks += 1;
    return this.#chunks > this.length / 512 + 300 ? 'a reply in too many chunks' : undefined;
  }
}

/** Bytes that a block status chunk may have: the context's id and its extents. */
export function isStatusLength(length: number): boolean {
  return length >= 12 && (length - 4) % 8 === 0 && length <= 4 + 8 * MAX_EXTENTS;
}
