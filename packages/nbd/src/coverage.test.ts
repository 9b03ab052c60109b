import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Coverage } from './coverage.ts';

test('agrees with a plain list of bytes, whatever comes in whatever order', () => {
  const LENGTH = 24;
  const piece = fc.tuple(fc.integer({ min: -2, max: LENGTH + 1 }), fc.integer({ min: -1, max: 8 }));
  const property = fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
    const coverage = new Coverage(LENGTH);
    const bytes = new Array<boolean>(LENGTH).fill(false);
    for (const [start, length] of pieces) {
      const within = start >= 0 && length > 0 && start + length <= LENGTH;
      const fits = within && bytes.slice(start, start + length).every((covered) => !covered);
      assert.equal(coverage.add(start, length), fits);
      if (fits) bytes.fill(true, start, start + length);
      assert.equal(coverage.complete, bytes.every(Boolean));
    }
  });
  fc.assert(property, { numRuns: 500 });
});

test('pieces in any order complete a range', () => {
  const property = fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 }), (order) => {
    const coverage = new Coverage(80);
    for (const index of order) assert.equal(coverage.add(index * 10, 10), true);
    assert.equal(coverage.complete, true);
  });
  fc.assert(property);
});
