/** A store whose calls wait for their turn, so that a seeded scheduler decides in which order several hosts act. */
import type {
  ObjectEntry,
  ObjectStore,
  PutOptions,
  ReadRange,
} from '@corral/backup/object-store/object-store';

type Turn = () => void;

/** Hands out turns one at a time; between two turns everything that can run without the store has run. */
export class Scheduler {
  readonly #random: () => number;
  readonly #waiting: { actor: string; turn: Turn }[] = [];
  /** What was done, to be read when a seed fails. */
  readonly log: string[] = [];
  #actors = 0;
  #ahead = '';

  constructor(random: () => number) {
    this.#random = random;
  }

  /**
   * A host that is ahead stays ahead for a while, so that others sleep through whole runs of it: what goes wrong goes wrong
   * between a slow host and a fast one, and fair turns hardly ever show it.
   */
  #choose(): number {
    const ahead = this.#waiting.findIndex(({ actor }) => actor === this.#ahead);
    if (ahead >= 0 && this.#random() < 0.985) return ahead;
    const at = Math.floor(this.#random() * this.#waiting.length);
    this.#ahead = this.#waiting[at]!.actor;
    return at;
  }

  wait(actor: string, what: string): Promise<void> {
    return new Promise((resolve) => {
      const turn = (): void => {
        this.log.push(`${actor}: ${what}`);
        resolve();
      };
      this.#waiting.push({ actor, turn });
    });
  }

  /** Runs actors to their end; `beforeTurn` is called before each turn. */
  async run(actors: readonly Promise<void>[], beforeTurn: () => void): Promise<void> {
    this.#actors = actors.length;
    // A failure is told by `Promise.all` below; here only the end counts.
    for (const actor of actors) void actor.finally(() => (this.#actors -= 1)).catch(() => undefined);
    while (this.#actors > 0) {
      await settled();
      if (this.#waiting.length === 0) continue;
      beforeTurn();
      const [next] = this.#waiting.splice(this.#choose(), 1);
      next!.turn();
    }
    await Promise.all(actors);
  }
}

/** Everything that waits for no store has come to rest. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export class SteppedStore implements ObjectStore {
  readonly place: string;
  readonly canRetain: boolean;
  readonly #store: ObjectStore;
  readonly #scheduler: Scheduler;
  readonly #actor: string;

  constructor(store: ObjectStore, scheduler: Scheduler, actor: string) {
    this.#store = store;
    this.#scheduler = scheduler;
    this.#actor = actor;
    this.place = `${store.place}, seen by ${actor}`;
    this.canRetain = store.canRetain;
  }

  async put(name: string, content: Uint8Array, options?: PutOptions): Promise<'stored' | 'exists'> {
    await this.#scheduler.wait(this.#actor, `put ${name}`);
    return await this.#store.put(name, content, options);
  }

  async read(name: string, range?: ReadRange): Promise<Buffer> {
    await this.#scheduler.wait(this.#actor, `read ${name}`);
    return await this.#store.read(name, range);
  }

  async *list(prefix: string): AsyncIterable<ObjectEntry> {
    await this.#scheduler.wait(this.#actor, `list ${prefix}`);
    yield* this.#store.list(prefix);
  }

  async listForeign(limit: number): Promise<string[]> {
    return await this.#store.listForeign(limit);
  }

  async delete(name: string): Promise<void> {
    await this.#scheduler.wait(this.#actor, `delete ${name}`);
    await this.#store.delete(name);
  }

  async now(): Promise<number> {
    await this.#scheduler.wait(this.#actor, 'clock');
    return await this.#store.now();
  }

  async retain(name: string, until: Date): Promise<void> {
    await this.#store.retain(name, until);
  }

  async close(): Promise<void> {
    await this.#store.close();
  }
}
