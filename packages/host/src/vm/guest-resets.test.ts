import assert from 'node:assert/strict';
import test from 'node:test';
import { GuestResets } from './guest-resets.ts';

test('a guest that restarts itself is told once', () => {
  const resets = new GuestResets();
  assert.deepEqual(
    [100_000, 100_100, 100_101].map((now) => resets.isOne(true, now)),
    [true, false, false],
  );
  assert.equal(resets.isOne(true, 130_000), true);
});

test('what SeaBIOS does after a reset by the host is not told', () => {
  const resets = new GuestResets();
  assert.equal(resets.isOne(false, 100_000), false);
  assert.deepEqual(
    [100_100, 100_101].map((now) => resets.isOne(true, now)),
    [false, false],
  );
});
