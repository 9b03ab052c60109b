/** Watches: what is delivered, where they go on, and when history is gone. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import type { Store, TransactionStep, WatchBatch } from '../store.ts';
import type { ConformanceOptions, OpenFixture } from '../store-conformance.ts';

const put = (key: string, value: string): TransactionStep => ({ put: key, value });

/** The first batches of a watch; it must deliver so many or the test's limit passes. */
export async function take(
  store: Store,
  prefix: string,
  afterRevision: number,
  count: number,
): Promise<WatchBatch[]> {
  const batches: WatchBatch[] = [];
  if (count === 0) return batches;
  for await (const batch of store.watch(prefix, { afterRevision })) {
    batches.push(batch);
    if (batches.length === count) break;
  }
  return batches;
}

export function watchTests(open: OpenFixture, { limitMs: timeout }: ConformanceOptions): void {
  describe('watches', () => {
    test('a revision comes as a whole, in the order of its steps, with what is under the prefix', {
      timeout,
    }, async () => {
      await using fixture = await open();
      const { store } = fixture;
      const start = await store.revision();
      const one = await store.transact({ then: [put('w/b', '1'), put('x', '2'), put('w/a', '3')] });
      await store.transact({ then: [put('x', '4')] });
      const two = await store.transact({ then: [{ deletePrefix: 'w/' }, put('w', '5')] });
      const batches = await take(store, 'w/', start, 2);
      const entry = (key: string, value: string) => ({
        type: 'put',
        entry: { key, value, createRevision: one.revision, modRevision: one.revision, leaseId: null },
      });
      assert.deepEqual(batches, [
        { revision: one.revision, events: [entry('w/b', '1'), entry('w/a', '3')] },
        {
          revision: two.revision,
          events: [
            { type: 'delete', key: 'w/a', modRevision: two.revision },
            { type: 'delete', key: 'w/b', modRevision: two.revision },
          ],
        },
      ]);
    });

    test('a watch that waits gets what comes', { timeout }, async () => {
      await using fixture = await open();
      const { store } = fixture;
      const waiting = take(store, 'w/', await store.revision(), 3);
      for (const value of ['1', '2', '3']) await store.transact({ then: [put('w/a', value)] });
      const values = (await waiting).map(({ events: [event] }) => event?.type === 'put' && event.entry.value);
      assert.deepEqual(values, ['1', '2', '3']);
    });

    test('a watch taken up after the last revision seen misses nothing and repeats nothing', {
      timeout,
    }, async () => {
      await using fixture = await open();
      const { store } = fixture;
      const start = await store.revision();
      const revisions: number[] = [];
      for (let index = 0; index < 10; index += 1) {
        revisions.push((await store.transact({ then: [put(`w/${index}`, '')] })).revision);
      }
      const seen: number[] = [];
      while (seen.length < revisions.length) {
        const [batch] = await take(store, 'w/', seen.at(-1) ?? start, 1);
        seen.push(batch!.revision);
      }
      assert.deepEqual(seen, revisions);
    });

    test('several watches do not disturb one another', { timeout }, async () => {
      await using fixture = await open();
      const { store } = fixture;
      const start = await store.revision();
      const watches = Array.from({ length: 10 }, (_, index) => take(store, `w${index}/`, start, 1));
      await store.transact({ then: Array.from({ length: 10 }, (_, index) => put(`w${index}/k`, '')) });
      for (const batches of await Promise.all(watches)) assert.equal(batches[0]?.events.length, 1);
    });

    endTests(open, timeout);
    compactionTests(open, timeout);
  });
}

function endTests(open: OpenFixture, timeout: number): void {
  test('a watch ends with the reason of its signal', { timeout }, async () => {
    await using fixture = await open();
    const { store } = fixture;
    const controller = new AbortController();
    const reason = new Error('enough');
    const afterRevision = await store.revision();
    const iterator = store.watch('w/', { afterRevision, signal: controller.signal })[Symbol.asyncIterator]();
    const first = iterator.next();
    await store.transact({ then: [put('w/a', '')] });
    assert.equal((await first).done, false);
    const waiting = iterator.next();
    controller.abort(reason);
    await assert.rejects(waiting, reason);
    await assert.rejects(take(store, 'w/', Number.NaN, 1), (e) => isCorralError(e, 'store.bad-request'));
  });

  test('a watch ends when its store is closed', { timeout }, async () => {
    await using fixture = await open();
    const { store } = fixture;
    const waiting = take(store, 'w/', await store.revision(), 2);
    const ended = assert.rejects(waiting, (e) => isCorralError(e, 'store.closed'));
    await store.transact({ then: [put('w/a', '')] });
    await store.close();
    await ended;
  });
}

function compactionTests(open: OpenFixture, timeout: number): void {
  test('a watch whose history is gone says so, and at the border it is whole', { timeout }, async () => {
    await using fixture = await open();
    const { store } = fixture;
    const start = await store.revision();
    const first = await store.transact({ then: [put('w/a', '1')] });
    const second = await store.transact({ then: [{ delete: 'w/a' }] });
    const third = await store.transact({ then: [put('w/b', '2')] });
    await store.compact(second.revision);
    await store.compact(first.revision);
    for (const after of [start, first.revision]) {
      await assert.rejects(take(store, 'w/', after, 1), (e) => {
        assert.ok(isCorralError(e, 'store.compacted'), String(e));
        assert.deepEqual(e.params, {
          prefix: 'w/',
          afterRevision: after,
          compactedRevision: second.revision,
        });
        return true;
      });
    }
    const [batch] = await take(store, 'w/', second.revision, 1);
    assert.equal(batch?.revision, third.revision);
    assert.equal((await store.get('w/b'))?.value, '2');
  });

  test('compaction leaves the present and watches that are up to date alone', { timeout }, async () => {
    await using fixture = await open();
    const { store } = fixture;
    const iterator = store.watch('w/', { afterRevision: await store.revision() })[Symbol.asyncIterator]();
    await store.transact({ then: [put('w/a', '1'), put('x', '1')] });
    await iterator.next();
    const waiting = iterator.next();
    for (let index = 0; index < 5; index += 1) await store.transact({ then: [put('x', String(index))] });
    await store.compact(await store.revision());
    await store.transact({ then: [put('w/a', '2')] });
    const { value } = await waiting;
    assert.equal(value?.events.length, 1);
    await iterator.return?.();
  });

  test('a revision that lies ahead is refused', { timeout }, async () => {
    await using fixture = await open();
    const { store } = fixture;
    const ahead = (await store.revision()) + 100;
    await assert.rejects(take(store, '', ahead, 1), (e) => isCorralError(e, 'store.future-revision'));
    await assert.rejects(store.compact(ahead), (e) => isCorralError(e, 'store.future-revision'));
  });
}
