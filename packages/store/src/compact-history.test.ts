import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import { compactHistory } from './compact-history.ts';
import { openMemoryStore } from './memory-store.ts';

test('history is forgotten after its time, errors are told and survived, the signal ends it', async () => {
  const store = openMemoryStore();
  const start = await store.revision();
  await store.transact({ then: [{ put: 'a', value: '1' }] });
  const stop = new AbortController();
  const errors: unknown[] = [];
  const compacted = Promise.withResolvers<number>();
  let calls = 0;
  const flaky = Object.assign(Object.create(store), {
    revision: () => store.revision(),
    compact: async (revision: number) => {
      calls += 1;
      if (calls === 1) throw new Error('not now');
      await store.compact(revision);
      compacted.resolve(revision);
    },
  });
  const running = compactHistory(flaky, { keepMs: 1, onError: (e) => errors.push(e), signal: stop.signal });
  assert.equal(await compacted.promise, await store.revision());
  stop.abort(new Error('enough'));
  await assert.rejects(running, /enough/);
  assert.match(String(errors), /not now/);
  const late = store.watch('', { afterRevision: start })[Symbol.asyncIterator]().next();
  await assert.rejects(late, (e) => isCorralError(e, 'store.compacted'));
});
