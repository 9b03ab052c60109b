/** What a local store does with a journal that is slow or fails: the conformance suite sees only ones that work. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import fc from 'fast-check';
import { ManualClock } from './clock.ts';
import { StoreModel, sortEvents } from './conformance/model.ts';
import { take } from './conformance/watch-tests.ts';
import { storeErrors } from './errors.ts';
import type { Journal } from './journal.ts';
import { LocalStore } from './local-store.ts';
import type { Transaction, TransactionResult } from './store.ts';
import { emptySnapshot } from './store-state.ts';

/** Each write waits until the test lets it succeed or fail. */
class HeldJournal implements Journal {
  readonly sizes: number[] = [];
  readonly #held: PromiseWithResolvers<void>[] = [];

  write(changes: readonly unknown[]): Promise<void> {
    this.sizes.push(changes.length);
    const held = Promise.withResolvers<void>();
    this.#held.push(held);
    return held.promise;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Lets the write under way end. False when there is none. */
  release(failure: Error | null): boolean {
    const held = this.#held.shift();
    if (failure) held?.reject(failure);
    else held?.resolve();
    return held !== undefined;
  }
}

const full = storeErrors.full({ file: 'f' });
const turn = () => new Promise((resolve) => setImmediate(resolve));
const put = (key: string, value: string): Transaction => ({ then: [{ put: key, value }] });

function open() {
  const journal = new HeldJournal();
  const clock = new ManualClock();
  return { journal, clock, store: new LocalStore(emptySnapshot, journal, clock) };
}

describe('a local store', () => {
  test('writes together what comes at once, and what comes while it writes', async () => {
    const { journal, store } = open();
    const first = Promise.all([store.transact(put('a', '1')), store.transact(put('b', '2'))]);
    await turn();
    const second = Promise.all(['c', 'd', 'e'].map((key) => store.transact(put(key, ''))));
    journal.release(null);
    assert.deepEqual(
      (await first).map(({ revision }) => revision),
      [2, 3],
    );
    await turn();
    journal.release(null);
    assert.deepEqual(
      (await second).map(({ revision }) => revision),
      [4, 5, 6],
    );
    assert.deepEqual(journal.sizes, [2, 3]);
  });

  test('shows nothing that is not written, and answers nothing on the strength of it', async () => {
    const { journal, store } = open();
    const creating = store.transact(put('a', '1'));
    const lost = store.transact({ compare: [{ key: 'a', absent: true }], then: [{ put: 'a', value: '2' }] });
    let answered = false;
    void lost.then(() => {
      answered = true;
    });
    await turn();
    assert.equal(await store.get('a'), null);
    assert.equal((await store.list('')).revision, 1);
    assert.equal(answered, false);
    journal.release(null);
    assert.equal((await creating).succeeded, true);
    assert.equal((await lost).succeeded, false);
    assert.equal((await store.get('a'))?.value, '1');
  });

  test('fails what was built on a write that failed, and goes on from what is written', async () => {
    const { journal, store } = open();
    const failing = [store.transact(put('a', '1')), store.transact(put('b', '1'))];
    await turn();
    failing.push(store.transact({ compare: [{ key: 'a', exists: true }], then: [{ put: 'c', value: '' }] }));
    journal.release(full);
    for (const each of failing) await assert.rejects(each, (e) => isCorralError(e, 'store.full'));
    const again = store.transact({ compare: [{ key: 'a', absent: true }], then: [{ put: 'a', value: '2' }] });
    await turn();
    journal.release(null);
    assert.deepEqual(await again, { succeeded: true, revision: 2, changes: 1, entries: [] });
  });

  test('stops waiting for a write when the signal aborts; the write takes place', async () => {
    const { journal, store } = open();
    const stop = new AbortController();
    const waiting = store.transact(put('a', '1'), { signal: stop.signal });
    const ended = assert.rejects(waiting, /enough/);
    stop.abort(new Error('enough'));
    await ended;
    await turn();
    journal.release(null);
    await turn();
    assert.equal((await store.get('a'))?.value, '1');
  });

  test('deletes the keys of a lease later when it cannot do so at its end', async () => {
    const { journal, clock, store } = open();
    const granting = store.grantLease(1_000);
    await turn();
    journal.release(null);
    const lease = await granting;
    const putting = store.transact({ then: [{ put: 'a', value: '', leaseId: lease.id }] });
    await turn();
    journal.release(null);
    await putting;
    clock.advance(1_000);
    await turn();
    assert.ok(journal.release(full));
    await turn();
    assert.notEqual(await store.get('a'), null);
    await turn();
    journal.release(full);
    await turn();
    clock.advance(1_000);
    await turn();
    assert.ok(journal.release(null));
    await turn();
    assert.equal(await store.get('a'), null);
  });

  test('writes what was begun before it closes', async () => {
    const { journal, store } = open();
    const putting = store.transact(put('a', '1'));
    await turn();
    const closing = store.close();
    journal.release(null);
    await closing;
    assert.equal((await putting).revision, 2);
  });
});

const key = fc.constantFrom('a', 'a/1', 'b');
const step = fc.oneof(
  fc.record({ put: key, value: fc.constantFrom('v', 'w') }),
  fc.record({ delete: key }),
  fc.record({ get: key }),
);
const condition = fc.oneof(
  fc.record({ key, absent: fc.constant(true as const) }),
  fc.record({ key, value: fc.constantFrom('v', 'w') }),
);
const transaction = fc.record({
  compare: fc.array(condition, { maxLength: 1 }),
  then: fc.array(step, { minLength: 1, maxLength: 1 }),
  else: fc.array(step, { maxLength: 1 }),
});
const happening = fc.oneof(
  { weight: 3, arbitrary: transaction },
  { weight: 2, arbitrary: fc.constantFrom('written' as const, 'failed' as const) },
);

test('whatever fails: the transactions that were acknowledged are a history, and nothing else happened', async () => {
  const property = fc.asyncProperty(fc.array(happening, { maxLength: 30 }), async (happenings) => {
    const { journal, store } = open();
    const running: { transaction: Transaction; result: Promise<TransactionResult | null> }[] = [];
    for (const each of happenings) {
      if (typeof each === 'object') {
        // Refused by its compare or lost with the journal: neither was acknowledged.
        running.push({ transaction: each, result: store.transact(each).catch(() => null) });
      } else {
        await turn();
        journal.release(each === 'failed' ? full : null);
        await turn();
      }
    }
    for (await turn(); journal.release(null); ) await turn();
    const model = new StoreModel(1);
    for (const { transaction, result } of running) {
      const actual = await result;
      if (!actual) continue;
      const expected = model.transact(transaction, actual.revision);
      assert.deepEqual([actual.succeeded, actual.entries], [expected.succeeded, expected.entries]);
    }
    assert.deepEqual((await store.list('')).entries, model.list(''));
    const history = model.history('', 1);
    assert.equal(await store.revision(), history.at(-1)?.revision ?? 1);
    const batches = await take(store, '', 1, history.length);
    assert.deepEqual(
      batches.map(({ revision, events }) => ({ revision, events: sortEvents(events) })),
      history,
    );
  });
  await fc.assert(property, { numRuns: 200 });
});
