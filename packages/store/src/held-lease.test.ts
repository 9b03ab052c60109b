import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import { ManualClock } from './clock.ts';
import { holdLease } from './held-lease.ts';
import { openMemoryStore } from './memory-store.ts';
import type { Lease, Store } from './store.ts';

/** A store whose leases answer renewals as the test says. */
function withRenewal(store: Store, keepAlive: (lease: Lease) => Promise<void>): Store {
  return Object.assign(Object.create(store), {
    grantLease: async (ttlMs: number) => {
      const lease = await store.grantLease(ttlMs);
      return { ...lease, keepAlive: () => keepAlive(lease) };
    },
  });
}

describe('a held lease', { concurrency: true, timeout: 10_000 }, () => {
  test('is renewed while it is held, and revoked at the end', async () => {
    const store = openMemoryStore();
    const renewed = Promise.withResolvers<void>();
    const watched = withRenewal(store, async (lease) => {
      await lease.keepAlive();
      renewed.resolve();
    });
    {
      await using held = await holdLease(watched, 1_000);
      await store.transact({ then: [{ put: 'a', value: '', leaseId: held.id }] });
      await renewed.promise;
      assert.equal(held.lost.aborted, false);
      assert.notEqual(await store.get('a'), null);
    }
    assert.equal(await store.get('a'), null);
  });

  test('is lost when the store says that it is gone', async () => {
    const clock = new ManualClock();
    await using held = await holdLease(openMemoryStore({ clock }), 1_000);
    clock.advance(1_000);
    assert.equal(held.remainingMs(), 0);
    await once(held.lost, 'abort');
    assert.ok(isCorralError(held.lost.reason, 'store.lease-gone'));
  });

  test('is lost on the local clock alone when the store cannot be reached', async () => {
    const store = withRenewal(openMemoryStore(), () => Promise.reject(new Error('no route')));
    await using held = await holdLease(store, 1_000);
    await once(held.lost, 'abort');
    assert.equal(held.remainingMs(), 0);
    assert.ok(isCorralError(held.lost.reason, 'store.lease-gone'));
  });
});
