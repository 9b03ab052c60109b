import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDue, nextRun } from './plan-schedule.ts';

test('a run each so often, counted from the last one', () => {
  const last = new Date('2026-03-01T10:00:00.000Z');
  assert.equal(nextRun({ everyMs: 3_600_000 }, last).toISOString(), '2026-03-01T11:00:00.000Z');
});

test('a run each day at its time', () => {
  const at = (last: string): string => nextRun({ dailyAt: '22:30' }, new Date(last)).toISOString();
  assert.equal(at('2026-02-28T10:00:00.000Z'), '2026-02-28T22:30:00.000Z');
  assert.equal(at('2026-02-28T22:30:00.000Z'), '2026-03-01T22:30:00.000Z');
  assert.equal(at('2026-02-28T23:00:00.000Z'), '2026-03-01T22:30:00.000Z');
});

test('a run that was missed is due, and so is one after a run that a wrong clock noted', () => {
  const now = new Date('2026-03-01T10:00:00.000Z');
  const after = (last: string): boolean => isDue({ dailyAt: '22:30' }, new Date(last), now);
  assert.deepEqual(
    [
      '2026-02-28T22:30:00.000Z',
      '2026-02-27T22:30:00.000Z',
      '2026-03-01T10:00:01.000Z',
      '2036-01-01T00:00:00.000Z',
    ].map(after),
    [false, true, false, true],
  );
});
