/**
 * A watch in etcd that survives its connection. The stream is read as fast as it comes, since one that is not read
 * stops the others on its connection; a consumer that falls behind loses the stream, not events: when it has taken
 * what is there, another stream begins after it.
 */

import type { MessageInitShape } from '@bufbuild/protobuf';
import { delay } from '@corral/core/abort';
import { storeErrors } from './errors.ts';
import { type EtcdConnection, EtcdRefusal } from './etcd-connection.ts';
import { etcdFailure } from './etcd-failure.ts';
import { type EtcdMessages, revisionOf } from './etcd-messages.ts';
import type { WatchRequestSchema, WatchResponse } from './etcd-rpc.gen.ts';
import type { StoreEvent, WatchBatch } from './store.ts';

/** Batches that wait for the consumer before the stream is given up. */
const longestQueue = 256;
const firstDelayMs = 20;
const longestDelayMs = 2_000;

export interface EtcdWatch {
  readonly connection: EtcdConnection;
  readonly messages: EtcdMessages;
  readonly prefix: string;
}

/** Rejects with the signal's reason. @throws store.compacted, store.future-revision */
export async function* watchEtcd(
  watch: EtcdWatch,
  afterRevision: number,
  signal: AbortSignal,
): AsyncGenerator<WatchBatch, never> {
  let cursor = afterRevision;
  let delayMs = firstDelayMs;
  for (;;) {
    signal.throwIfAborted();
    await checkHistory(watch, cursor, signal);
    await using stream = new WatchStream(watch, cursor, signal);
    for await (const { batch, revision } of stream.messages()) {
      cursor = Math.max(cursor, revision);
      delayMs = firstDelayMs;
      if (batch) yield batch;
    }
    await delay(delayMs, signal);
    delayMs = Math.min(delayMs * 2, longestDelayMs);
  }
}

/** What came over the stream: a batch, or only the news that all up to a revision was delivered. */
interface Message {
  readonly batch: WatchBatch | null;
  readonly revision: number;
}

/** One stream, from its opening until it breaks, is given up, or the signal aborts. */
class WatchStream implements AsyncDisposable {
  readonly #watch: EtcdWatch;
  readonly #after: number;
  readonly #end = new AbortController();
  readonly #signal: AbortSignal;
  readonly #reading: Promise<void>;
  #queue: Message[] = [];
  #wake = Promise.withResolvers<void>();
  #open = true;

  constructor(watch: EtcdWatch, after: number, signal: AbortSignal) {
    this.#watch = watch;
    this.#after = after;
    this.#signal = AbortSignal.any([signal, this.#end.signal]);
    this.#reading = this.#read();
  }

  /** Ends when the stream has, after the last message that came whole. */
  async *messages(): AsyncGenerator<Message, void> {
    for (;;) {
      const taken = this.#queue;
      this.#queue = [];
      yield* taken;
      if (this.#queue.length > 0) continue;
      if (!this.#open) return;
      await this.#wake.promise;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#reading;
  }

  async #read(): Promise<void> {
    const { connection } = this.#watch;
    let url: string | undefined;
    try {
      const stream = await connection.stream(this.#signal, ({ watch }, options) =>
        watch.watch(this.#request(), options),
      );
      url = stream.url;
      for await (const response of stream.messages) {
        if (response.canceled) break; // why, the check of the history tells when the next stream is opened
        this.#take(response);
        if (this.#queue.length > longestQueue) break;
      }
    } catch (e) {
      // Broken or refused: the next stream goes elsewhere, and asks again for all that did not come.
      if (url && !this.#signal.aborted && etcdFailure(e).kind !== 'answer') connection.leave(url);
    } finally {
      this.#open = false;
      this.#wake.resolve();
    }
  }

  /** The request side stays open until the stream is to end: etcd ends a watch whose client has hung up. */
  async *#request(): AsyncGenerator<MessageInitShape<typeof WatchRequestSchema>> {
    const { messages, prefix } = this.#watch;
    const range = messages.range(prefix);
    const value = { ...range, startRevision: BigInt(this.#after + 1), progressNotify: true };
    yield { requestUnion: { case: 'createRequest', value } };
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#signal.addEventListener('abort', () => resolve(), { once: true });
    if (!this.#signal.aborted) await promise;
  }

  /** A response holds whole revisions (etcd's guarantee "atomic"), often several when it catches up. */
  #take(response: WatchResponse): void {
    if (response.created) return;
    const events = response.events.map((event) => this.#watch.messages.event(event));
    const revisions = Map.groupBy(events, revisionOfEvent);
    for (const [revision, batch] of revisions)
      this.#queue.push({ batch: { revision, events: batch }, revision });
    if (events.length === 0) this.#queue.push({ batch: null, revision: revisionOf(response.header) });
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

function revisionOfEvent(event: StoreEvent): number {
  return event.type === 'put' ? event.entry.modRevision : event.modRevision;
}

/**
 * etcd begins a watch at the revision of a compaction itself although the deletions of that revision are gone (up to
 * 3.4.35 and 3.5.17), so it is asked by a read whether the revision before is still there.
 */
async function checkHistory(
  { connection, messages, prefix }: EtcdWatch,
  after: number,
  signal: AbortSignal,
): Promise<void> {
  const revision = BigInt(Math.max(1, after));
  try {
    await connection.call('Following changes', 'repeated', signal, ({ kv }, options) =>
      kv.range({ key: messages.key(prefix), revision, countOnly: true }, options),
    );
  } catch (e) {
    if (!(e instanceof EtcdRefusal)) throw e;
    const watch = { connection, messages, prefix };
    if (e.answer === 'compacted') {
      const compactedRevision = await findCompaction(watch, signal);
      throw storeErrors.compacted({ prefix, afterRevision: after, compactedRevision }, { cause: e });
    }
    if (e.answer !== 'future') throw e.toError();
    throw storeErrors['future-revision'](
      { revision: after, present: await presentRevision(watch, signal) },
      { cause: e },
    );
  }
}

export async function presentRevision(
  { connection, messages }: Pick<EtcdWatch, 'connection' | 'messages'>,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { header } = await connection.call('Reading the revision', 'repeated', signal, ({ kv }, options) =>
    kv.range({ key: messages.key('-'), countOnly: true }, options),
  );
  return revisionOf(header);
}

/** Only a watch that begins too early is told where history begins. */
async function findCompaction({ connection, messages }: EtcdWatch, signal: AbortSignal): Promise<number> {
  const createRequest = {
    case: 'createRequest',
    value: { key: messages.key('-'), startRevision: 1n },
  } as const;
  return connection.call('Following changes', 'repeated', signal, async ({ watch }, options) => {
    async function* request() {
      yield { requestUnion: createRequest };
    }
    for await (const { canceled, compactRevision } of watch.watch(request(), options)) {
      if (canceled) return Number(compactRevision);
    }
    return 0;
  });
}
