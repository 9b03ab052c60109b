import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  blocker,
  enqueue,
  freeLock,
  hold,
  isFree,
  type LockClaim,
  type LockDocument,
  lockTargets,
  mayHold,
  release,
} from './operation-locks.ts';

const alone = (operationId: string): LockClaim => ({ operationId, shared: false });
const shared = (operationId: string): LockClaim => ({ operationId, shared: true });

describe('a lock', () => {
  test('is held by one alone, or by several that share', () => {
    const one = hold(freeLock, alone('a'));
    assert.equal(mayHold(one, alone('b')), false);
    assert.equal(mayHold(one, shared('b')), false);
    assert.deepEqual(blocker(one, alone('b')), alone('a'));
    const many = hold(hold(freeLock, shared('a')), shared('b'));
    assert.equal(mayHold(many, shared('c')), true);
    assert.equal(mayHold(many, alone('c')), false);
  });

  test('lets nobody overtake one that waits', () => {
    const lock = enqueue(hold(freeLock, shared('a')), alone('b'));
    assert.equal(mayHold(lock, shared('c')), false);
    assert.deepEqual(blocker(lock, shared('c')), alone('b'));
    assert.equal(mayHold(lock, alone('b')), false);
    assert.equal(mayHold(release(lock, 'a'), alone('b')), true);
  });

  test('does not stand in the way of the operation that is there already', () => {
    assert.equal(mayHold(hold(freeLock, alone('a')), alone('a')), true);
  });

  test('targets are taken once, alone when wanted both ways', () => {
    assert.deepEqual(lockTargets(['b', { shared: 'a' }, { shared: 'b' }, { shared: 'a' }]), [
      { key: 'a', shared: true },
      { key: 'b', shared: false },
    ]);
  });

  test('random comings and goings: never two unless all share, first come first served, free at the end', () => {
    const arrival = fc.record({ id: fc.nat(5), shared: fc.boolean(), leave: fc.boolean() });
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 40 }), (arrivals) => {
        let lock: LockDocument = freeLock;
        const grantAll = () => {
          for (const claim of lock.queue) if (mayHold(lock, claim)) lock = hold(lock, claim);
          assert.ok(lock.holders.length <= 1 || lock.holders.every((holder) => holder.shared));
          if (lock.queue[0]) assert.equal(mayHold(lock, lock.queue[0]), false);
        };
        for (const { id, shared: share, leave } of arrivals) {
          const operationId = String(id);
          const present = [...lock.holders, ...lock.queue].some((claim) => claim.operationId === operationId);
          if (leave) lock = release(lock, operationId);
          else if (!present) lock = enqueue(lock, { operationId, shared: share });
          grantAll();
        }
        for (let rounds = 0; rounds < 6 && lock.holders[0]; rounds += 1) {
          lock = release(lock, lock.holders[0].operationId);
          grantAll();
        }
        assert.ok(isFree(lock));
      }),
    );
  });
});
