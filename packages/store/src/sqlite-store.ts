/** The embedded store of one host: SQLite, built into Node, one file, one process (docs/formats/store.md). */
import { Worker } from 'node:worker_threads';
import { type Clock, monotonicClock } from './clock.ts';
import { storeErrors } from './errors.ts';
import type { Journal } from './journal.ts';
import { LocalStore } from './local-store.ts';
import { SqliteJournal } from './sqlite-journal.ts';
import type { ThreadAnswer, ThreadData, ThreadRequest } from './sqlite-thread.ts';
import type { Store } from './store.ts';
import type { StateChange, StateSnapshot } from './store-state.ts';

export interface SqliteStoreOptions {
  /** Path of the store file; its directory must exist. Created when it is missing. */
  readonly file: string;
  /** For leases. Default: the monotonic clock. */
  readonly clock?: Clock;
  /** The file grows no further; a change that needs more is refused with store.full. Default: as the disk allows. */
  readonly maxBytes?: number;
  /** Space that FILE.reserve keeps, to be given up when the volume is full. Default: none. */
  readonly reserveBytes?: number;
  /** Whether a thread of its own writes (the default), or the caller's, which then stands still meanwhile. */
  readonly thread?: boolean;
}

/** @throws store.in-use, store.damaged, store.foreign, store.newer-version, store.input-output, store.full */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { clock = monotonicClock, thread = true } = options;
  const { journal, snapshot } = thread ? await openThread(options) : openHere(options);
  return new LocalStore(snapshot, journal, clock);
}

interface Opened {
  readonly journal: Journal;
  readonly snapshot: StateSnapshot;
}

function openHere({ file, maxBytes, reserveBytes }: SqliteStoreOptions): Opened {
  const journal = new SqliteJournal(file, { maxBytes, reserveBytes });
  try {
    const write = async (changes: readonly StateChange[]) => journal.write(changes);
    return { snapshot: journal.read(), journal: { write, close: async () => journal.close() } };
  } catch (e) {
    journal.close();
    throw e;
  }
}

async function openThread(options: SqliteStoreOptions): Promise<Opened> {
  const thread = new JournalThread(options);
  try {
    const snapshot = await thread.ask({ type: 'open' });
    return { snapshot: snapshot!, journal: thread };
  } catch (e) {
    await thread.close();
    throw e;
  }
}

class JournalThread implements Journal {
  readonly #file: string;
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  #waiting: { resolve: (answer: ThreadAnswer) => void; reject: (error: unknown) => void }[] = [];
  #failure: unknown = null;

  constructor({ file, maxBytes, reserveBytes }: SqliteStoreOptions) {
    this.#file = file;
    const workerData: ThreadData = { file, maxBytes, reserveBytes };
    const options = { workerData, name: 'store', execArgv: [] };
    this.#worker = new Worker(new URL('./sqlite-thread.ts', import.meta.url), options);
    this.#worker.on('message', (answer: ThreadAnswer) => this.#waiting.shift()?.resolve(answer));
    this.#worker.on('error', (cause) => this.#fail(cause));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    this.#worker.on('exit', () => {
      this.#fail(new Error('its thread has ended'));
      resolve();
    });
  }

  async write(changes: readonly StateChange[]): Promise<void> {
    await this.ask({ type: 'write', changes });
  }

  async close(): Promise<void> {
    if (this.#failure === null) await this.ask({ type: 'close' });
    await this.#ended;
  }

  /** @throws the registry's error that the thread met; store.input-output when it has ended */
  async ask(request: ThreadRequest): Promise<StateSnapshot | null> {
    if (this.#failure !== null) throw this.#failure;
    const { promise, resolve, reject } = Promise.withResolvers<ThreadAnswer>();
    this.#waiting.push({ resolve, reject });
    this.#worker.postMessage(request);
    const answer = await promise;
    if (answer.ok) return answer.snapshot;
    throw this.#revive(answer);
  }

  #revive({ code, params, text }: Extract<ThreadAnswer, { ok: false }>): unknown {
    const factories = Object.values(storeErrors) as ((params: never, options: { cause: unknown }) => Error)[];
    const make = factories.find((factory) => 'code' in factory && factory.code === code);
    return make ? make(params as never, { cause: text }) : new Error(`the store's thread failed: ${text}`);
  }

  #fail(cause: unknown): void {
    const detail = cause instanceof Error ? cause.message : String(cause);
    this.#failure ??= storeErrors['input-output']({ file: this.#file, detail }, { cause });
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}
