/** The map of a file's MiBs against a plain model. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MiB } from './limits.ts';
import { SpaceMap } from './space-map.ts';

test('what is taken twice is told, and free places are found', () => {
  const space = new SpaceMap(10 * MiB);
  assert.ok(space.take({ offset: 0, length: 3 * MiB }));
  assert.ok(!space.take({ offset: 2 * MiB, length: MiB }));
  assert.equal(space.find(2 * MiB), 3 * MiB);
  assert.equal(space.find(8 * MiB), undefined);
  assert.ok(space.take({ offset: 20 * MiB, length: MiB }));
  assert.equal(space.fileBytes, 21 * MiB);
  assert.equal(space.usedEnd, 21 * MiB);
  space.release({ offset: 20 * MiB, length: MiB });
  assert.equal(space.usedEnd, 3 * MiB);
  assert.equal(space.find(4 * MiB, 6 * MiB), undefined);
  space.release({ offset: MiB, length: MiB });
  assert.deepEqual(
    [...space.gaps(5 * MiB)],
    [
      { offset: MiB, length: MiB },
      { offset: 3 * MiB, length: 2 * MiB },
    ],
  );
});

test('a map behaves like a set of numbers', () => {
  const command = fc.record({
    kind: fc.constantFrom('take', 'release', 'resize', 'find'),
    first: fc.integer({ min: 0, max: 40 }),
    count: fc.integer({ min: 1, max: 9 }),
  });
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const space = new SpaceMap(30 * MiB);
      const used = new Set<number>();
      let length = 30;
      for (const { kind, first, count } of commands) {
        const indexes = Array.from({ length: count }, (_, index) => first + index);
        const range = { offset: first * MiB, length: count * MiB };
        if (kind === 'take') {
          const free = indexes.every((index) => !used.has(index));
          assert.equal(space.take(range), free);
          if (free) for (const index of indexes) used.add(index);
          if (free) length = Math.max(length, first + count);
        } else if (kind === 'release' && indexes.every((index) => used.has(index))) {
          space.release(range);
          for (const index of indexes) used.delete(index);
        } else if (kind === 'resize' && [...used].every((index) => index < first)) {
          space.resize(first * MiB);
          length = first;
        } else if (kind === 'find') {
          const starts = Array.from({ length: Math.max(0, length - count + 1) }, (_, index) => index);
          const found = starts.find((start) => indexes.every((_, index) => !used.has(start + index)));
          assert.equal(space.find(count * MiB), found === undefined ? undefined : found * MiB);
        }
        assert.equal(space.freeBytes, (length - used.size) * MiB);
        assert.equal(space.fileBytes, length * MiB);
      }
    }),
  );
});
