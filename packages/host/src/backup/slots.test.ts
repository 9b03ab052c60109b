import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Slots } from './slots.ts';

test('no more than so many at once, in turn, and who gives up leaves his place', async () => {
  const slots = new Slots(1);
  const { signal } = new AbortController();
  const first = await slots.take(signal);
  const order: string[] = [];
  const second = slots.take(signal).then((slot) => {
    order.push('second');
    return slot;
  });
  const impatient = new AbortController();
  const third = slots.take(impatient.signal);
  const fourth = slots.take(signal).then((slot) => {
    order.push('fourth');
    return slot;
  });
  impatient.abort(new Error('enough'));
  await assert.rejects(third, /enough/);
  assert.deepEqual(order, []);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  (await second)[Symbol.dispose]();
  (await fourth)[Symbol.dispose]();
  assert.deepEqual(order, ['second', 'fourth']);
  (await slots.take(signal))[Symbol.dispose]();
});
