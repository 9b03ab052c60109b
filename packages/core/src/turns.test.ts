import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from './turns.ts';

test('work under one key takes turns, also behind work that failed; other keys do not wait', async () => {
  const turns = new Turns();
  const order: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = turns.take('a', async () => {
    await gate.promise;
    order.push('first');
    throw new Error('failed');
  });
  const second = turns.take('a', async () => order.push('second'));
  await turns.take('b', async () => order.push('other'));
  gate.resolve();
  await assert.rejects(first, /failed/);
  await second;
  assert.deepEqual(order, ['other', 'first', 'second']);
});

test('who holds a turn keeps the others waiting; who leaves while waiting does not', async () => {
  const turns = new Turns();
  const { signal } = new AbortController();
  const first = await turns.hold('a', signal);
  const leaving = new AbortController();
  const left = turns.hold('a', leaving.signal);
  const third = turns.hold('a', signal);
  let isThird = false;
  void third.then(() => {
    isThird = true;
  });
  leaving.abort(new Error('left'));
  await assert.rejects(left, /left/);
  assert.equal(isThird, false);
  first[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  await assert.rejects(turns.hold('a', leaving.signal), /left/);
  (await turns.hold('a', signal))[Symbol.dispose]();
});
