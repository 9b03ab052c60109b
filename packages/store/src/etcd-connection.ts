/**
 * gRPC connections to the members of an etcd cluster: one at a time is used, the next one when it fails. Every call
 * requires a leader, so that a member that is cut off answers nothing stale.
 */
import { type Client, createClient, type CallOptions as RpcOptions } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { delay } from '@corral/core/abort';
import type { CorralError } from '@corral/core/errors';
import { storeErrors } from './errors.ts';
import { type EtcdAnswer, etcdFailure } from './etcd-failure.ts';
import { KV, Lease, Watch } from './etcd-rpc.gen.ts';

export interface EtcdTls {
  /** PEM. The authority that signed the members' certificates. */
  readonly ca: string;
  /** PEM. What this client shows: etcd takes its user from the certificate. */
  readonly cert?: string;
  readonly key?: string;
}

export interface EtcdConnectionOptions {
  /** `https://10.0.0.1:2379`, the members' client addresses; the first is tried first. */
  readonly endpoints: readonly string[];
  readonly tls?: EtcdTls;
  /** How long a call is repeated before it fails with store.unavailable. Default 10 s. */
  readonly limitMs?: number;
  /** Limit of one try. Default 7 s: etcd answers within 5 s and two election timeouts, or not at all. */
  readonly attemptMs?: number;
}

export interface EtcdClients {
  readonly kv: Client<typeof KV>;
  readonly watch: Client<typeof Watch>;
  readonly lease: Client<typeof Lease>;
}

interface Endpoint {
  readonly url: string;
  readonly session: Http2SessionManager;
  readonly clients: EtcdClients;
}

const connectMs = 2_000;
/** etcd refuses pings more often than every 5 s. */
const pingIntervalMs = 6_000;
const pingTimeoutMs = 3_000;
const firstDelayMs = 20;
const longestDelayMs = 1_000;
const requireLeader = { hasleader: 'true' };

export class EtcdConnection {
  readonly name: string;
  readonly #endpoints: readonly Endpoint[];
  readonly #limitMs: number;
  readonly #attemptMs: number;
  readonly #closed = new AbortController();
  #current = 0;

  constructor(options: EtcdConnectionOptions) {
    this.name = options.endpoints.join(', ');
    this.#endpoints = options.endpoints.map((url) => openEndpoint(url, options.tls));
    this.#limitMs = options.limitMs ?? 10_000;
    this.#attemptMs = options.attemptMs ?? 7_000;
  }

  /** Aborts when the store is closed, with store.closed. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  close(): void {
    this.#closed.abort(storeErrors.closed());
    for (const { session } of this.#endpoints) session.abort();
  }

  /**
   * A call that has an answer. What may be `repeated` is, until its limit; another one only when it surely has not
   * taken place.
   *
   * @throws EtcdRefusal for an answer of etcd; store.unknown-outcome; store.unavailable; the signal's reason
   */
  async call<T>(
    what: string,
    repetition: 'repeated' | 'once',
    signal: AbortSignal | undefined,
    run: (clients: EtcdClients, options: RpcOptions) => Promise<T>,
  ): Promise<T> {
    const aborted = this.signal(signal);
    const deadline = performance.now() + this.#limitMs;
    let cause: unknown;
    for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 2, longestDelayMs)) {
      aborted.throwIfAborted();
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw storeErrors.unavailable({ store: this.name, what }, { cause });
      const endpoint = this.#endpoints[this.#current]!;
      try {
        if (await connected(endpoint, Math.min(leftMs, connectMs))) {
          const timeoutMs = Math.min(leftMs, this.#attemptMs);
          return await run(endpoint.clients, { signal: aborted, timeoutMs, headers: requireLeader });
        }
        cause = endpoint.session.error() ?? cause;
      } catch (e) {
        cause = this.#judge(what, repetition, aborted, e);
      }
      this.leave(endpoint.url);
      await delay(delayMs, aborted);
    }
  }

  /** A stream on the present member; whoever reads it opens another one when it breaks, after `leave`. */
  async stream<T>(
    signal: AbortSignal,
    open: (clients: EtcdClients, options: RpcOptions) => AsyncIterable<T>,
  ): Promise<{ readonly url: string; readonly messages: AsyncIterable<T> }> {
    const endpoint = this.#endpoints[this.#current]!;
    if (!(await connected(endpoint, connectMs))) {
      this.leave(endpoint.url);
      throw endpoint.session.error() ?? new Error(`no connection to ${endpoint.url}`);
    }
    return { url: endpoint.url, messages: open(endpoint.clients, { signal, headers: requireLeader }) };
  }

  /** Something failed there: the next call goes to the next member, unless somebody has gone on already. */
  leave(url: string): void {
    if (this.#endpoints[this.#current]!.url === url)
      this.#current = (this.#current + 1) % this.#endpoints.length;
  }

  signal(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.closed]) : this.closed;
  }

  /** Throws what ends the call; returns what another try may mend. */
  #judge(what: string, repetition: 'repeated' | 'once', aborted: AbortSignal, cause: unknown): unknown {
    aborted.throwIfAborted();
    const failure = etcdFailure(cause);
    if (failure.kind === 'answer')
      throw new EtcdRefusal(failure.answer, this.name, what, failure.detail, cause);
    if (failure.kind === 'lost' && repetition === 'once')
      throw storeErrors['unknown-outcome']({ what }, { cause });
    return cause;
  }
}

/** etcd's answer no. Callers turn it into the store's error for what they asked. */
export class EtcdRefusal extends Error {
  readonly answer: EtcdAnswer;
  readonly #store: string;
  readonly #what: string;

  constructor(answer: EtcdAnswer, store: string, what: string, detail: string, cause: unknown) {
    super(detail, { cause });
    this.answer = answer;
    this.#store = store;
    this.#what = what;
  }

  /** The error for an answer that the caller did not expect. */
  toError(): CorralError {
    const store = this.#store;
    if (this.answer === 'quota') return storeErrors.quota({ store }, { cause: this });
    return storeErrors.refused({ store, what: this.#what, detail: this.message }, { cause: this });
  }
}

/** For calls that expect no answer of that kind. @throws store.refused, store.quota in place of an EtcdRefusal */
export async function orRefused<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (e) {
    throw e instanceof EtcdRefusal ? e.toError() : e;
  }
}

function openEndpoint(url: string, tls: EtcdTls | undefined): Endpoint {
  const session = new Http2SessionManager(url, { pingIntervalMs, pingTimeoutMs }, { ...tls });
  const transport = createGrpcTransport({ baseUrl: url, sessionManager: session, acceptCompression: [] });
  const clients = {
    kv: createClient(KV, transport),
    watch: createClient(Watch, transport),
    lease: createClient(Lease, transport),
  };
  return { url, session, clients };
}

/** Connects first, so that a call that cannot be sent is known not to have been. */
async function connected({ session }: Endpoint, limitMs: number): Promise<boolean> {
  const late = Promise.withResolvers<'late'>();
  const timer = setTimeout(() => late.resolve('late'), limitMs);
  try {
    const state = await Promise.race([session.connect(), late.promise]);
    if (state === 'late') session.abort();
    return state !== 'late' && state !== 'error';
  } finally {
    clearTimeout(timer);
  }
}
