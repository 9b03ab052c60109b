import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoppedClock } from '../testing/stopped-clock.ts';
import { Pace } from './pace.ts';

const { signal } = new AbortController();

test('readers share the bandwidth', async () => {
  using clock = new StoppedClock();
  const pace = new Pace(2 ** 20);
  let passed = 0;
  const read = async (bytes: number): Promise<void> => {
    await pace.take(bytes, signal);
    passed += bytes;
  };
  const piece = 2 ** 14;
  const readers = [1, 2].map(() => read(piece).then(() => read(piece)));
  for (const [ms, pieces] of [
    [14, 0],
    [1, 1],
    [16, 2],
    [15, 3],
    [16, 4],
  ] as const) {
    await clock.pass(ms);
    assert.equal(passed / piece, pieces);
  }
  await Promise.all(readers);
});

test('what nobody took is not saved up', async () => {
  using clock = new StoppedClock();
  const pace = new Pace(1000);
  await clock.pass(500);
  const waiting = pace.take(20, signal);
  await clock.pass(19);
  assert.equal(await Promise.race([waiting, 'waits']), 'waits');
  await clock.pass(1);
  await waiting;
});

test('without a limit nobody waits, and who gives up does not either', async () => {
  using _ = new StoppedClock();
  await new Pace(null).take(2 ** 40, signal);
  const stop = new AbortController();
  const waiting = new Pace(1).take(2 ** 40, stop.signal);
  stop.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
});
