import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { mostUnits, ReadAhead } from './read-ahead.ts';

test('a walk reads more and more at once, up to a limit', () => {
  const ahead = new ReadAhead();
  const counts: number[] = [];
  for (let unit = 0; unit < 60; unit += counts.at(-1)!) counts.push(ahead.plan('a', unit, 1));
  assert.deepEqual(counts.slice(0, 6), [1, 2, 4, 8, 16, 16]);
});

test('small gaps do not end a walk, a jump does', () => {
  const ahead = new ReadAhead();
  assert.equal(ahead.plan('a', 0, 2), 2);
  assert.equal(ahead.plan('a', 3, 1), 4);
  assert.equal(ahead.plan('a', 100, 1), 1);
  assert.equal(ahead.plan('a', 99, 1), 1, 'nor does it go backwards');
});

test('packs do not disturb each other', () => {
  const ahead = new ReadAhead();
  ahead.plan('a', 0, 1);
  ahead.plan('b', 50, 1);
  assert.equal(ahead.plan('a', 1, 1), 2);
});

test('what is needed is always read, and never more than the limit beyond', () => {
  const step = fc.record({
    pack: fc.nat({ max: 100 }),
    first: fc.nat({ max: 200 }),
    needed: fc.integer({ min: 1, max: 5 }),
  });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const ahead = new ReadAhead();
      for (const { pack, first, needed } of steps) {
        const count = ahead.plan(String(pack), first, needed);
        assert.ok(count >= needed && count <= Math.max(needed, mostUnits));
      }
    }),
  );
});
