import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailedLogins } from './failed-logins.ts';

test('past the limit an address waits for its window to end, others do not', () => {
  let now = 0;
  const told: [string, number][] = [];
  const failures = new FailedLogins({
    limit: 3,
    windowMs: 10_000,
    now: () => now,
    onLimit: (address, count) => void told.push([address, count]),
  });
  assert.deepEqual(
    ['a', 'a', 'a'].map((address) => failures.note(address)),
    [null, null, null],
  );
  now = 4_000;
  assert.equal(failures.note('a'), 6);
  assert.equal(failures.note('a'), 6);
  assert.equal(failures.note('b'), null);
  assert.deepEqual(told, [['a', 3]], 'told once in a window');
  now = 10_000;
  assert.equal(failures.note('a'), null);
});

test('the addresses remembered are bounded', () => {
  const failures = new FailedLogins({ limit: 1, now: () => 0 });
  failures.note('first');
  for (let index = 0; index < 10_000; index += 1) failures.note(`address ${index}`);
  assert.equal(failures.note('first'), null, 'the oldest was forgotten');
});
