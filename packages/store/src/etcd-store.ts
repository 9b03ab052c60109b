/** The store of a cluster: etcd, through its own gRPC interface. See etcd-connection.ts for what is repeated and when. */
import { checkKey, checkList, checkPrefix, checkRevision, checkTransaction } from './check-transaction.ts';
import { storeErrors } from './errors.ts';
import { EtcdConnection, type EtcdConnectionOptions, EtcdRefusal, orRefused } from './etcd-connection.ts';
import { grantEtcdLease } from './etcd-lease.ts';
import { EtcdMessages, revisionOf } from './etcd-messages.ts';
import { presentRevision, watchEtcd } from './etcd-watch.ts';
import type {
  CallOptions,
  Lease,
  ListOptions,
  ListResult,
  Store,
  StoreEntry,
  Transaction,
  TransactionResult,
  WatchBatch,
  WatchOptions,
} from './store.ts';

export interface EtcdStoreOptions extends EtcdConnectionOptions {
  /** Before every key; who else uses this etcd stays apart. Default `corral/`. */
  readonly namespace?: string;
}

/** Entries read at a time, all at one revision. */
const pageSize = 500;

/** Connects at the first call. */
export function openEtcdStore(options: EtcdStoreOptions): Store {
  return new EtcdStore(new EtcdConnection(options), new EtcdMessages(options.namespace ?? 'corral/'));
}

class EtcdStore implements Store {
  readonly #connection: EtcdConnection;
  readonly #messages: EtcdMessages;

  constructor(connection: EtcdConnection, messages: EtcdMessages) {
    this.#connection = connection;
    this.#messages = messages;
  }

  async get(key: string, options: CallOptions = {}): Promise<StoreEntry | null> {
    checkKey(key);
    const request = { key: this.#messages.key(key) };
    const { kvs } = await orRefused(
      this.#connection.call(`Reading "${key}"`, 'repeated', options.signal, ({ kv }, call) =>
        kv.range(request, call),
      ),
    );
    return kvs[0] ? this.#messages.entry(kvs[0]) : null;
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    checkList(prefix, options);
    const { after = null, limit = Number.POSITIVE_INFINITY } = options;
    for (;;) {
      const result = await this.#listAt(prefix, after, limit, options);
      if (result) return result;
    }
  }

  async transact(transaction: Transaction, options: CallOptions = {}): Promise<TransactionResult> {
    checkTransaction(transaction);
    const request = this.#messages.transaction(transaction);
    try {
      const response = await this.#connection.call('A change', 'once', options.signal, ({ kv }, call) =>
        kv.txn(request, call),
      );
      return this.#messages.result(response);
    } catch (e) {
      if (!(e instanceof EtcdRefusal)) throw e;
      if (e.answer !== 'lease-gone') throw e.toError();
      throw storeErrors['lease-gone']({ leaseId: leasesOf(transaction).join(', ') }, { cause: e });
    }
  }

  async *watch(prefix: string, options: WatchOptions): AsyncGenerator<WatchBatch, never> {
    checkPrefix(prefix);
    const afterRevision = checkRevision(options.afterRevision);
    const watch = { connection: this.#connection, messages: this.#messages, prefix };
    return yield* watchEtcd(watch, afterRevision, this.#connection.signal(options.signal));
  }

  async grantLease(ttlMs: number, options: CallOptions = {}): Promise<Lease> {
    return orRefused(grantEtcdLease(this.#connection, ttlMs, options.signal));
  }

  async revision(options: CallOptions = {}): Promise<number> {
    return orRefused(
      presentRevision({ connection: this.#connection, messages: this.#messages }, options.signal),
    );
  }

  async compact(revision: number, options: CallOptions = {}): Promise<void> {
    checkRevision(revision);
    try {
      await this.#connection.call('Forgetting old changes', 'repeated', options.signal, ({ kv }, call) =>
        kv.compact({ revision: BigInt(revision) }, call),
      );
    } catch (e) {
      if (!(e instanceof EtcdRefusal)) throw e;
      if (e.answer === 'compacted') return; // by somebody else, up to there or further
      if (e.answer !== 'future') throw e.toError();
      throw storeErrors['future-revision']({ revision, present: await this.revision(options) }, { cause: e });
    }
  }

  async close(): Promise<void> {
    this.#connection.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Page by page, all at the revision of the first; null when that was compacted in between. */
  async #listAt(
    prefix: string,
    after: string | null,
    limit: number,
    options: CallOptions,
  ): Promise<ListResult | null> {
    const entries: StoreEntry[] = [];
    let revision = 0;
    for (;;) {
      const wanted = Math.min(pageSize, limit - entries.length);
      const range = this.#messages.range(prefix, entries.at(-1)?.key ?? after);
      const request = { ...range, limit: BigInt(wanted), revision: BigInt(revision) };
      try {
        const page = await this.#connection.call(
          `Listing "${prefix}"`,
          'repeated',
          options.signal,
          ({ kv }, call) => kv.range(request, call),
        );
        revision ||= revisionOf(page.header);
        entries.push(...page.kvs.map((kv) => this.#messages.entry(kv)));
        if (!page.more || entries.length >= limit) return { entries, revision, more: page.more };
      } catch (e) {
        if (!(e instanceof EtcdRefusal)) throw e;
        if (e.answer !== 'compacted') throw e.toError();
        return null;
      }
    }
  }
}

function leasesOf({ then, else: otherwise = [] }: Transaction): string[] {
  return [...then, ...otherwise].flatMap((step) => ('put' in step && step.leaseId ? [step.leaseId] : []));
}
