import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { lengthWord, storedLength } from '../format/length-word.ts';
import { planReads, runBlobs, runBytes } from './plan.ts';

const blob = fc.record({
  pack: fc.integer({ min: 0, max: 3 }),
  offset: fc.integer({ min: 64, max: 8 * 2 ** 20 }),
  stored: fc.integer({ min: 1, max: 65_552 }),
});

test('every blob is in one run that holds it, and runs are bounded', () => {
  fc.assert(
    fc.property(fc.array(blob, { maxLength: 200 }), (blobs) => {
      const wanted = blobs.map(({ pack, offset, stored }, at) => {
        return { at, pack, offset, word: lengthWord(stored, false, 'block') };
      });
      const runs = planReads(wanted);
      const planned = runs.flatMap((run) => run.blobs.map(({ at }) => at)).sort((a, b) => a - b);
      assert.deepEqual(
        planned,
        wanted.map(({ at }) => at),
      );
      for (const run of runs) {
        assert.ok(run.blobs.length <= runBlobs && run.length <= runBytes);
        for (const { pack, offset, word } of run.blobs) {
          assert.equal(pack, run.pack);
          assert.ok(offset >= run.offset && offset + storedLength(word) <= run.offset + run.length);
        }
      }
    }),
  );
});

test('neighbours are read together, strangers apart', () => {
  const word = lengthWord(1000, false, 'block');
  const at = (pack: number, offset: number, i: number) => ({ at: i, pack, offset, word });
  const runs = planReads([at(0, 2_000_000, 0), at(0, 64, 1), at(0, 1064, 2), at(1, 64, 3)]);
  assert.deepEqual(
    runs.map(({ pack, offset, length }) => [pack, offset, length]),
    [
      [0, 64, 2000],
      [0, 2_000_000, 1000],
      [1, 64, 1000],
    ],
  );
});
