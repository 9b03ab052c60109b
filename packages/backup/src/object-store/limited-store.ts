/**
 * A store whose calls end: when a signal aborts, and, for one behind a network, when it has not answered for too long. The
 * SDKs wait for ever for an answer that does not come.
 */
import { withLimit } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import { repositoryErrors } from '../errors.ts';
import {
  type ObjectEntry,
  type ObjectStore,
  type PutOptions,
  type ReadRange,
  readInto,
} from './object-store.ts';

export interface StoreLimits {
  /** Ends every call. */
  readonly signal?: AbortSignal | undefined;
  /** How long a call that moves so many bytes may take; default: as long as it takes. */
  readonly limitMs?: ((bytes: number) => number) | undefined;
}

const answerMs = 60_000;
/** A line slower than this carries no backups. */
const leastBytesPerMs = 32;

/** For stores behind a network. */
export function farLimitMs(bytes: number): number {
  return answerMs + bytes / leastBytesPerMs;
}

/** How much a whole object of this name holds at most, or nearly so. */
function mostBytes(name: string): number {
  return /^(packs|index)\//.test(name) ? 64 * 2 ** 20 : 16 * 2 ** 20;
}

export class LimitedStore implements ObjectStore {
  readonly place: string;
  readonly canRetain: boolean;
  readonly #store: ObjectStore;
  readonly #limits: StoreLimits;

  constructor(store: ObjectStore, limits: StoreLimits) {
    this.#store = store;
    this.#limits = limits;
    this.place = store.place;
    this.canRetain = store.canRetain;
  }

  put(name: string, content: Uint8Array, options: PutOptions = {}): Promise<'stored' | 'exists'> {
    return this.#run(`put ${name}`, content.length, options.signal, (signal) =>
      this.#store.put(name, content, { ...options, signal }),
    );
  }

  read(name: string, range?: ReadRange, signal?: AbortSignal): Promise<Buffer> {
    return this.#run(`read ${name}`, range?.length ?? mostBytes(name), signal, (limited) =>
      this.#store.read(name, range, limited),
    );
  }

  readInto(name: string, offset: number, target: Buffer, signal?: AbortSignal): Promise<number> {
    return this.#run(`read ${name}`, target.length, signal, (limited) =>
      readInto(this.#store, name, offset, target, limited),
    );
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectEntry> {
    const stop = new AbortController();
    const entries = this.#store.list(prefix, this.#joined(signal, stop.signal))[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#run(`list ${prefix}`, 0, signal, () => entries.next());
        if (next.done) return;
        yield next.value;
      }
    } finally {
      stop.abort();
    }
  }

  listForeign(limit: number, signal?: AbortSignal): Promise<string[]> {
    // As many pages as the store has.
    return this.#store.listForeign(limit, this.#joined(signal));
  }

  delete(name: string, signal?: AbortSignal): Promise<void> {
    return this.#run(`delete ${name}`, 0, signal, (limited) => this.#store.delete(name, limited));
  }

  async tidy(signal?: AbortSignal): Promise<void> {
    await this.#store.tidy?.(this.#joined(signal));
  }

  now(signal?: AbortSignal): Promise<number> {
    return this.#run('read the clock', 0, signal, (limited) => this.#store.now(limited));
  }

  retain(name: string, until: Date, signal?: AbortSignal): Promise<void> {
    return this.#run(`retain ${name}`, 0, signal, (limited) => this.#store.retain(name, until, limited));
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #joined(...signals: readonly (AbortSignal | undefined)[]): AbortSignal | undefined {
    const given = [...signals, this.#limits.signal].filter((signal) => signal !== undefined);
    return given.length > 1 ? AbortSignal.any(given) : given[0];
  }

  /** @throws repository.store when the limit has passed */
  async #run<T>(
    action: string,
    bytes: number,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    const joined = this.#joined(signal);
    const limitMs = this.#limits.limitMs?.(bytes);
    if (limitMs === undefined) return await work(joined);
    try {
      return await withLimit(action, limitMs, joined, work);
    } catch (cause) {
      if (!isCorralError(cause, 'core.timeout')) throw cause;
      const reason = `it did not answer within ${Math.round(limitMs / 1000)} s`;
      throw repositoryErrors.store({ place: this.place, action, reason }, { cause });
    }
  }
}
