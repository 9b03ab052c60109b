/** A store that fails at its N-th write, in one of the ways in which stores fail. */
import { repositoryErrors } from '@corral/backup/errors';
import type {
  ObjectEntry,
  ObjectStore,
  PutOptions,
  ReadRange,
} from '@corral/backup/object-store/object-store';

export type Fault =
  /** The write is not carried out. */
  | 'refuse'
  /** The write is carried out, and its answer lost. */
  | 'lose-answer'
  /** The host dies before the write: nothing works afterwards. */
  | 'die-before'
  /** The host dies right after it. */
  | 'die-after'
  /** The disk is full: every put fails from here on, deletes work. */
  | 'full';

export class FaultyStore implements ObjectStore {
  readonly place: string;
  readonly canRetain: boolean;
  readonly #store: ObjectStore;
  readonly #at: number;
  readonly #fault: Fault;
  writes = 0;
  #isDead = false;
  #isFull = false;

  constructor(store: ObjectStore, at: number, fault: Fault) {
    this.#store = store;
    this.#at = at;
    this.#fault = fault;
    this.place = `faulty ${store.place}`;
    this.canRetain = store.canRetain;
  }

  async put(name: string, content: Uint8Array, options?: PutOptions): Promise<'stored' | 'exists'> {
    if (this.#isFull) throw this.#failure(`put ${name}`);
    return await this.#write(`put ${name}`, () => this.#store.put(name, content, options), true);
  }

  async delete(name: string): Promise<void> {
    await this.#write(`delete ${name}`, () => this.#store.delete(name), false);
  }

  async read(name: string, range?: ReadRange): Promise<Buffer> {
    this.#throwIfDead();
    return await this.#store.read(name, range);
  }

  async *list(prefix: string): AsyncIterable<ObjectEntry> {
    this.#throwIfDead();
    yield* this.#store.list(prefix);
  }

  async listForeign(limit: number): Promise<string[]> {
    return await this.#store.listForeign(limit);
  }

  async now(): Promise<number> {
    this.#throwIfDead();
    return await this.#store.now();
  }

  async retain(name: string, until: Date): Promise<void> {
    await this.#write(`retain ${name}`, () => this.#store.retain(name, until), false);
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  async #write<T>(action: string, work: () => Promise<T>, isPut: boolean): Promise<T> {
    this.#throwIfDead();
    this.writes += 1;
    if (this.writes !== this.#at) return await work();
    if (this.#fault === 'lose-answer' || this.#fault === 'die-after') await work();
    this.#isDead = this.#fault.startsWith('die');
    this.#isFull = this.#fault === 'full';
    if (this.#isFull && !isPut) return await work();
    throw this.#failure(action);
  }

  #throwIfDead(): void {
    if (this.#isDead) throw this.#failure('anything');
  }

  #failure(action: string): Error {
    return repositoryErrors.store({ place: this.place, action, reason: `the test's fault ${this.#fault}` });
  }
}
