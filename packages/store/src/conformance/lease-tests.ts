/** Leases: renewed, revoked, run out. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import type { ConformanceOptions, OpenFixture } from '../store-conformance.ts';
import { take } from './watch-tests.ts';

export function leaseTests(open: OpenFixture, { limitMs: timeout }: ConformanceOptions): void {
  describe('leases', () => {
    test('the keys of a lease that runs out are deleted in one revision, and watches see it', {
      timeout,
    }, async () => {
      await using fixture = await open();
      const { store } = fixture;
      const lease = await store.grantLease(fixture.leaseMs);
      assert.ok(lease.ttlMs >= fixture.leaseMs);
      const { revision } = await store.transact({
        then: [
          { put: 'l/a', value: '', leaseId: lease.id },
          { put: 'l/b', value: '', leaseId: lease.id },
          { put: 'l/c', value: '' },
        ],
      });
      assert.equal((await store.get('l/a'))?.leaseId, lease.id);
      fixture.passTime(lease.ttlMs);
      const [batch] = await take(store, 'l/', revision, 1);
      assert.deepEqual(batch?.events, [
        { type: 'delete', key: 'l/a', modRevision: batch?.revision },
        { type: 'delete', key: 'l/b', modRevision: batch?.revision },
      ]);
      assert.equal(lease.remainingMs(), 0);
      await assert.rejects(lease.keepAlive(), (e) => isCorralError(e, 'store.lease-gone'));
      assert.deepEqual(
        (await store.list('l/')).entries.map((entry) => entry.key),
        ['l/c'],
      );
      await lease.revoke();
    });

    test('a lease that is renewed lasts', { timeout }, async () => {
      await using fixture = await open();
      const { store } = fixture;
      await using lease = await store.grantLease(fixture.leaseMs * 2);
      await store.transact({ then: [{ put: 'l/a', value: '', leaseId: lease.id }] });
      for (let index = 0; index < 3; index += 1) {
        fixture.passTime(lease.ttlMs * 0.75);
        await lease.keepAlive();
        assert.ok(lease.remainingMs() > lease.ttlMs * 0.5);
        assert.ok(lease.remainingMs() <= lease.ttlMs);
      }
      assert.notEqual(await store.get('l/a'), null);
    });

    test('revoking deletes the keys at once', { timeout }, async () => {
      await using fixture = await open();
      const { store } = fixture;
      const lease = await store.grantLease(fixture.leaseMs);
      await store.transact({ then: [{ put: 'l/a', value: '', leaseId: lease.id }] });
      await lease.revoke();
      assert.equal(await store.get('l/a'), null);
      assert.equal(lease.remainingMs(), 0);
      await lease.revoke();
    });

    test('a key follows the lease of its latest put', { timeout }, async () => {
      await using fixture = await open();
      const { store } = fixture;
      const first = await store.grantLease(fixture.leaseMs);
      await using second = await store.grantLease(fixture.leaseMs);
      await store.transact({
        then: [
          { put: 'l/moved', value: '', leaseId: first.id },
          { put: 'l/freed', value: '', leaseId: first.id },
        ],
      });
      await store.transact({
        then: [
          { put: 'l/moved', value: '', leaseId: second.id },
          { put: 'l/freed', value: '' },
        ],
      });
      await first.revoke();
      assert.equal((await store.get('l/moved'))?.leaseId, second.id);
      assert.equal((await store.get('l/freed'))?.leaseId, null);
    });

    test('a put with a lease that is gone is refused, and the whole transaction with it', {
      timeout,
    }, async () => {
      await using fixture = await open();
      const { store } = fixture;
      const lease = await store.grantLease(fixture.leaseMs);
      await lease.revoke();
      const late = { put: 'l/b', value: '', leaseId: lease.id };
      const refused = store.transact({ then: [{ put: 'l/a', value: '' }, late] });
      await assert.rejects(refused, (e) => isCorralError(e, 'store.lease-gone'));
      assert.equal(await store.get('l/a'), null);
      const notTaken = await store.transact({ compare: [{ key: 'l/a', exists: true }], then: [late] });
      assert.equal(notTaken.succeeded, false);
    });

    test('a lease out of range is refused', { timeout }, async () => {
      await using fixture = await open();
      for (const ttlMs of [0, -1, 999, Number.NaN, 86_400_001]) {
        await assert.rejects(fixture.store.grantLease(ttlMs), (e) => isCorralError(e, 'store.bad-request'));
      }
    });
  });
}
