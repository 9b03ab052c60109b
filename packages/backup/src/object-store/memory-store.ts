/** A store in memory: for tests, and the reference of what the others must do. */
import { repositoryErrors } from '../errors.ts';
import {
  checkObjectName,
  isObjectName,
  type ObjectEntry,
  type ObjectStore,
  type PutOptions,
  type ReadRange,
} from './object-store.ts';

interface Held {
  readonly content: Buffer;
  readonly modifiedAt: number;
  retainUntil: number;
}

export class MemoryStore implements ObjectStore {
  readonly place = 'memory';
  readonly canRetain = true;
  /** Open to tests, which damage objects on purpose. */
  readonly objects = new Map<string, Held>();
  readonly #clock: () => number;

  constructor(clock: () => number = Date.now) {
    this.#clock = clock;
  }

  async put(name: string, content: Uint8Array, options: PutOptions = {}): Promise<'stored' | 'exists'> {
    options.signal?.throwIfAborted();
    checkObjectName(name);
    if (this.objects.has(name)) return 'exists';
    const retainUntil = options.retainUntil?.getTime() ?? 0;
    this.objects.set(name, { content: Buffer.from(content), modifiedAt: this.#clock(), retainUntil });
    return 'stored';
  }

  async read(name: string, range?: ReadRange, signal?: AbortSignal): Promise<Buffer> {
    signal?.throwIfAborted();
    const held = this.objects.get(checkObjectName(name));
    if (!held) throw repositoryErrors['object-missing']({ name });
    return Buffer.from(
      range ? held.content.subarray(range.offset, range.offset + range.length) : held.content,
    );
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectEntry> {
    signal?.throwIfAborted();
    for (const [name, held] of [...this.objects]) {
      if (!name.startsWith(prefix) || !isObjectName(name)) continue;
      yield { name, sizeBytes: held.content.length, modifiedAt: held.modifiedAt };
    }
  }

  async listForeign(limit: number): Promise<string[]> {
    return [...this.objects.keys()].filter((name) => !isObjectName(name)).slice(0, limit);
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const held = this.objects.get(checkObjectName(name));
    if (held && held.retainUntil > this.#clock()) {
      throw repositoryErrors.store({ place: this.place, action: `delete ${name}`, reason: 'it is retained' });
    }
    this.objects.delete(name);
  }

  async now(): Promise<number> {
    return this.#clock();
  }

  async retain(name: string, until: Date): Promise<void> {
    const held = this.objects.get(checkObjectName(name));
    if (!held) throw repositoryErrors['object-missing']({ name });
    held.retainUntil = Math.max(held.retainUntil, until.getTime());
  }

  async close(): Promise<void> {
    // Nothing is held outside this process.
  }
}
