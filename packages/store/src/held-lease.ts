/**
 * A lease that is renewed until its holder lets go, with a signal for the moment when it can no longer be relied
 * on. Whoever may act only while holding it listens to `lost`, which needs no connection to fire (invariant 1).
 */
import { delay } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import { storeErrors } from './errors.ts';
import type { CallOptions, Lease, Store } from './store.ts';

export interface HeldLease extends AsyncDisposable {
  readonly id: string;
  /** Aborts with store.lease-gone when the time since the latest renewal has used the lease up. */
  readonly lost: AbortSignal;
  remainingMs(): number;
}

/** A third of the lease: two renewals may fail before it is lost. */
const renewalsPerLease = 3;

/** Disposing it stops renewing and revokes the lease. */
export async function holdLease(store: Store, ttlMs: number, options: CallOptions = {}): Promise<HeldLease> {
  const lease = await store.grantLease(ttlMs, options);
  const stop = new AbortController();
  const lost = new AbortController();
  const renewing = Promise.all([renew(lease, stop.signal, lost), watchOver(lease, stop.signal, lost)]);
  return {
    id: lease.id,
    lost: lost.signal,
    remainingMs: () => lease.remainingMs(),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await renewing;
      await lease.revoke();
    },
  };
}

async function renew(lease: Lease, stop: AbortSignal, lost: AbortController): Promise<void> {
  const interval = lease.ttlMs / renewalsPerLease;
  while (!stop.aborted && !lost.signal.aborted) {
    await unlessStopped(delay(interval, stop), stop);
    if (stop.aborted) return;
    const limit = AbortSignal.any([stop, lost.signal, AbortSignal.timeout(Math.ceil(interval))]);
    try {
      await lease.keepAlive({ signal: limit });
    } catch (cause) {
      // An unreachable store may come back before the lease runs out; only its end decides.
      if (isCorralError(cause, storeErrors['lease-gone'].code)) lost.abort(cause);
    }
  }
}

/** Sleeps until the lease would end and looks again: the local clock decides, not the answers of the store. */
async function watchOver(lease: Lease, stop: AbortSignal, lost: AbortController): Promise<void> {
  while (!stop.aborted && !lost.signal.aborted) {
    const remaining = lease.remainingMs();
    if (remaining <= 0) lost.abort(storeErrors['lease-gone']({ leaseId: lease.id }));
    else await unlessStopped(delay(remaining, AbortSignal.any([stop, lost.signal])), stop, lost.signal);
  }
}

async function unlessStopped(waiting: Promise<void>, ...signals: readonly AbortSignal[]): Promise<void> {
  try {
    await waiting;
  } catch (cause) {
    if (!signals.some((signal) => signal.aborted)) throw cause;
  }
}
