import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pace } from './pace.ts';

const { signal } = new AbortController();

test('readers share the bandwidth', async () => {
  const pace = new Pace(2 ** 20);
  const since = performance.now();
  const piece = 2 ** 14;
  await Promise.all([1, 2].map(() => pace.take(piece, signal).then(() => pace.take(piece, signal))));
  const took = performance.now() - since;
  assert.ok(took >= 55, `64 KiB at 1 MiB/s took ${took} ms`);
});

test('without a limit nobody waits, and who gives up does not either', async () => {
  await new Pace(null).take(2 ** 40, signal);
  const stop = new AbortController();
  const waiting = new Pace(1).take(2 ** 40, stop.signal);
  stop.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
});
