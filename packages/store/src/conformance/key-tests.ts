/** Keys, pages and transactions. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import { storeLimits } from '../check-transaction.ts';
import type { Store, Transaction, TransactionStep } from '../store.ts';
import type { ConformanceOptions, OpenFixture } from '../store-conformance.ts';

const put = (key: string, value: string): TransactionStep => ({ put: key, value });

async function keys(store: Store, prefix: string): Promise<string[]> {
  return (await store.list(prefix)).entries.map((entry) => entry.key);
}

export function keyTests(open: OpenFixture, { limitMs: timeout }: ConformanceOptions): void {
  describe('keys', () => {
    test('a key that was never put is not there', { timeout }, async () => {
      await using fixture = await open();
      assert.equal(await fixture.store.get('a'), null);
      assert.deepEqual((await fixture.store.list('')).entries, []);
    });

    test('a put makes a key, a second changes it, a deletion and a third make a new one', {
      timeout,
    }, async () => {
      await using fixture = await open();
      const { store } = fixture;
      const first = await store.transact({ then: [put('a', '1')] });
      const second = await store.transact({ then: [put('a', '2')] });
      assert.ok(second.revision > first.revision);
      assert.deepEqual(await store.get('a'), {
        key: 'a',
        value: '2',
        createRevision: first.revision,
        modRevision: second.revision,
        leaseId: null,
      });
      await store.transact({ then: [{ delete: 'a' }] });
      assert.equal(await store.get('a'), null);
      const again = await store.transact({ then: [put('a', '3')] });
      assert.equal((await store.get('a'))?.createRevision, again.revision);
    });

    test('values are kept to the letter', { timeout }, async () => {
      await using fixture = await open();
      const { store } = fixture;
      const values = ['', ' ', 'Grüße, 世界 🐎', '"\\\n\r\t\u0001', `${'x'.repeat(100_000)}`];
      for (const value of values) {
        await store.transact({ then: [put('a', value)] });
        assert.equal((await store.get('a'))?.value, value);
      }
    });

    test('a list holds the keys of a prefix in the order of bytes, with the revision that was read', {
      timeout,
    }, async () => {
      await using fixture = await open();
      const { store } = fixture;
      const { revision } = await store.transact({
        then: ['vm/b', 'vm/a', 'vm', 'vm0', 'vm/B', 'vm/a/x', 'vm/~', 'v'].map((key) => put(key, key)),
      });
      const listed = await store.list('vm/');
      assert.deepEqual(
        listed.entries.map((entry) => entry.key),
        ['vm/B', 'vm/a', 'vm/a/x', 'vm/b', 'vm/~'],
      );
      assert.equal(listed.more, false);
      assert.ok(listed.revision >= revision);
      assert.equal(listed.entries[0]?.modRevision, revision);
    });

    test('pages join to the whole', { timeout }, async () => {
      await using fixture = await open();
      const { store } = fixture;
      await store.transact({ then: ['a', 'b', 'c', 'd', 'e'].map((key) => put(`k/${key}`, key)) });
      const one = await store.list('k/', { limit: 2 });
      assert.deepEqual([one.entries.map((entry) => entry.value), one.more], [['a', 'b'], true]);
      const two = await store.list('k/', { limit: 2, after: 'k/b' });
      assert.deepEqual([two.entries.map((entry) => entry.value), two.more], [['c', 'd'], true]);
      const three = await store.list('k/', { limit: 2, after: 'k/d' });
      assert.deepEqual([three.entries.map((entry) => entry.value), three.more], [['e'], false]);
      const before = await store.list('k/', { after: 'a' });
      assert.equal(before.entries.length, 5);
    });

    test('a prefix is no pattern and ends where it ends', { timeout }, async () => {
      await using fixture = await open();
      const { store } = fixture;
      await store.transact({ then: ['a%', 'a%b', 'a_b', 'a~', 'a~~', 'b'].map((key) => put(key, '')) });
      assert.deepEqual(await keys(store, 'a%'), ['a%', 'a%b']);
      assert.deepEqual(await keys(store, 'a~'), ['a~', 'a~~']);
      await store.transact({ then: [{ deletePrefix: 'a' }] });
      assert.deepEqual(await keys(store, ''), ['b']);
    });

    transactionTests(open, timeout);
    refusalTests(open, timeout);
  });
}

function transactionTests(open: OpenFixture, timeout: number): void {
  test('each condition holds and fails as it says', { timeout }, async () => {
    await using fixture = await open();
    const { store } = fixture;
    const { revision } = await store.transact({ then: [put('here', 'v')] });
    const cases = [
      [{ key: 'here', modRevision: revision }, true],
      [{ key: 'here', modRevision: revision - 1 }, false],
      [{ key: 'gone', modRevision: revision }, false],
      [{ key: 'gone', modRevision: 0 }, false],
      [{ key: 'here', value: 'v' }, true],
      [{ key: 'here', value: 'w' }, false],
      [{ key: 'gone', value: '' }, false],
      [{ key: 'here', exists: true }, true],
      [{ key: 'gone', exists: true }, false],
      [{ key: 'here', absent: true }, false],
      [{ key: 'gone', absent: true }, true],
    ] as const;
    for (const [compare, expected] of cases) {
      const result = await store.transact({ compare: [compare], then: [{ get: 'here' }] });
      assert.equal(result.succeeded, expected, JSON.stringify(compare));
    }
  });

  test('all conditions must hold, else the other branch is taken', { timeout }, async () => {
    await using fixture = await open();
    const { store } = fixture;
    await store.transact({ then: [put('a', '1')] });
    const result = await store.transact({
      compare: [
        { key: 'a', exists: true },
        { key: 'b', exists: true },
      ],
      then: [put('a', '2')],
      else: [{ get: 'a' }, put('c', '3'), { get: 'b' }],
    });
    assert.equal(result.succeeded, false);
    assert.equal(result.changes, 1);
    assert.deepEqual(
      result.entries.map((entry) => entry?.value ?? null),
      ['1', null],
    );
    assert.deepEqual(await keys(store, ''), ['a', 'c']);
  });

  test('all changes of a transaction have one revision, and a get sees what stands before it', {
    timeout,
  }, async () => {
    await using fixture = await open();
    const { store } = fixture;
    await store.transact({ then: [put('old/1', ''), put('old/2', '')] });
    const result = await store.transact({
      then: [
        put('a', '1'),
        { get: 'a' },
        { get: 'old/2' },
        { deletePrefix: 'old/' },
        { get: 'old/2' },
        put('b', '2'),
      ],
    });
    assert.equal(result.changes, 4);
    assert.deepEqual(
      result.entries.map((entry) => entry?.key ?? null),
      ['a', 'old/2', null],
    );
    const { entries } = await store.list('');
    assert.deepEqual(
      entries.map((entry) => [entry.key, entry.modRevision]),
      [
        ['a', result.revision],
        ['b', result.revision],
      ],
    );
  });

  test('what changes nothing makes no revision', { timeout }, async () => {
    await using fixture = await open();
    const { store } = fixture;
    const before = await store.revision();
    const nothing: Transaction[] = [
      { then: [] },
      { then: [{ delete: 'gone' }, { deletePrefix: 'gone/' }, { get: 'gone' }] },
      { compare: [{ key: 'gone', exists: true }], then: [put('a', '1')] },
    ];
    for (const transaction of nothing) {
      const result = await store.transact(transaction);
      assert.deepEqual([result.changes, result.revision], [0, before]);
    }
    assert.equal(await store.revision(), before);
  });

  test('of many that create the same key at once, one succeeds', { timeout }, async () => {
    await using fixture = await open();
    const { store } = fixture;
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        store.transact({ compare: [{ key: 'one', absent: true }], then: [put('one', String(index))] }),
      ),
    );
    const winner = results.findIndex((result) => result.succeeded);
    assert.equal(results.filter((result) => result.succeeded).length, 1);
    assert.equal((await store.get('one'))?.value, String(winner));
  });
}

function refusalTests(open: OpenFixture, timeout: number): void {
  test('what one store cannot do, all refuse, and nothing of it happens', { timeout }, async () => {
    await using fixture = await open();
    const { store } = fixture;
    const many = Array.from({ length: storeLimits.operations + 1 }, (_, index) => put(`k/${index}`, ''));
    const refused: Transaction[] = [
      { then: [put('a', '1'), put('a', '2')] },
      { then: [put('a', '1'), { delete: 'a' }] },
      { then: [{ delete: 'a' }, put('a', '1')] },
      { then: [{ deletePrefix: 'a/' }, put('a/b', '1')] },
      { then: [put('a', 'x'.repeat(storeLimits.transactionBytes))] },
      { then: [put('a', 'lone \ud800')] },
      { then: [put('a', 'nul \0')] },
      { then: many },
      ...['', 'with space', 'ü', 'x'.repeat(storeLimits.keyLength + 1)].map((key) => ({
        then: [put(key, '')],
      })),
    ];
    for (const transaction of refused) {
      await assert.rejects(store.transact(transaction), (e) => isCorralError(e, 'store.bad-request'));
    }
    await assert.rejects(store.list('a', { limit: 0 }), (e) => isCorralError(e, 'store.bad-request'));
    assert.deepEqual(await keys(store, ''), []);
    const most = many.slice(1);
    assert.equal((await store.transact({ then: most })).changes, most.length);
  });

  test('an aborted signal stops every call with its reason', { timeout }, async () => {
    await using fixture = await open();
    const { store } = fixture;
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    const calls = [
      () => store.get('a', { signal }),
      () => store.list('', { signal }),
      () => store.transact({ then: [put('a', '1')] }, { signal }),
      () => store.grantLease(fixture.leaseMs, { signal }),
      () => store.revision({ signal }),
      () => store.compact(1, { signal }),
    ];
    for (const call of calls) await assert.rejects(call, reason);
    assert.equal(await store.get('a'), null);
  });

  test('a closed store says so, and closing it again is harmless', { timeout }, async () => {
    await using fixture = await open();
    const { store } = fixture;
    await store.close();
    await store.close();
    await assert.rejects(store.get('a'), (e) => isCorralError(e, 'store.closed'));
    await assert.rejects(store.transact({ then: [] }), (e) => isCorralError(e, 'store.closed'));
  });
}
