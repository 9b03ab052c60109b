/** A lease in etcd. What is left of it is judged here, on the monotonic clock, whatever etcd would say. */
import { randomBytes } from 'node:crypto';
import { checkLeaseTime } from './check-transaction.ts';
import { storeErrors } from './errors.ts';
import { type EtcdConnection, EtcdRefusal, orRefused } from './etcd-connection.ts';
import type { CallOptions, Lease } from './store.ts';

/**
 * Its id is chosen here: a grant whose answer was lost can be repeated, and finds its first try instead of leaving
 * a second lease.
 */
export async function grantEtcdLease(
  connection: EtcdConnection,
  ttlMs: number,
  signal: AbortSignal | undefined,
): Promise<Lease> {
  const ID = randomBytes(8).readBigUInt64BE() >> 1n || 1n;
  const TTL = BigInt(Math.ceil(checkLeaseTime(ttlMs) / 1_000));
  const sentAt = performance.now();
  const granted = await connection.call('Taking a lease', 'repeated', signal, async ({ lease }, options) => {
    try {
      return (await lease.leaseGrant({ ID, TTL }, options)).TTL;
    } catch (e) {
      if (!String(e).includes('lease already exists')) throw e;
      return TTL;
    }
  });
  return new EtcdLease(connection, ID, Number(granted) * 1_000, sentAt);
}

class EtcdLease implements Lease {
  readonly id: string;
  readonly ttlMs: number;
  readonly #connection: EtcdConnection;
  readonly #number: bigint;
  #renewedAt: number;
  #ended = false;

  constructor(connection: EtcdConnection, number: bigint, ttlMs: number, grantedAt: number) {
    this.id = String(number);
    this.ttlMs = ttlMs;
    this.#connection = connection;
    this.#number = number;
    this.#renewedAt = grantedAt;
  }

  remainingMs(): number {
    return this.#ended ? 0 : Math.max(0, this.#renewedAt + this.ttlMs - performance.now());
  }

  async keepAlive(options: CallOptions = {}): Promise<void> {
    if (this.#ended) throw storeErrors['lease-gone']({ leaseId: this.id });
    const what = `Renewing lease ${this.id}`;
    const renewing = this.#connection.call(what, 'repeated', options.signal, async ({ lease }, call) => {
      const sentAt = performance.now();
      const answers = lease.leaseKeepAlive(once({ ID: this.#number }), call);
      for await (const { TTL } of answers) return { sentAt, TTL };
      throw new Error('the stream ended without an answer');
    });
    const { sentAt, TTL } = await orRefused(renewing);
    if (TTL <= 0n) {
      this.#ended = true;
      throw storeErrors['lease-gone']({ leaseId: this.id });
    }
    this.#renewedAt = Math.max(this.#renewedAt, sentAt);
  }

  async revoke(options: CallOptions = {}): Promise<void> {
    if (this.#ended) return;
    try {
      await this.#connection.call(`Ending lease ${this.id}`, 'repeated', options.signal, ({ lease }, call) =>
        lease.leaseRevoke({ ID: this.#number }, call),
      );
    } catch (e) {
      if (!(e instanceof EtcdRefusal)) throw e;
      if (e.answer !== 'lease-gone') throw e.toError();
    }
    this.#ended = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#connection.closed.aborted) await this.revoke();
  }
}

async function* once<T>(message: T): AsyncGenerator<T> {
  yield message;
}
