/** Runs and fills of bitmaps against bits looked at one by one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bitIsSet, bitRuns, fillBits } from './sector-bitmap.ts';

const orders = ['lsb-first', 'msb-first'] as const;

test('the two formats count from opposite ends of a byte', () => {
  const bytes = Uint8Array.of(0b0000_0001);
  assert.equal(bitIsSet(bytes, 0, 'lsb-first'), true);
  assert.equal(bitIsSet(bytes, 7, 'msb-first'), true);
  assert.equal(bitIsSet(bytes, 0, 'msb-first'), false);
});

test('runs cover the range, alternate, and agree with each bit; fills change just their range', () => {
  const bytesOf = fc.array(fc.constantFrom(0, 0xff, 0x0f, 0x80, 0x01, 0x5a), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(
      bytesOf,
      fc.nat(),
      fc.nat(),
      fc.boolean(),
      fc.constantFrom(...orders),
      (values, a, b, set, order) => {
        const bytes = Uint8Array.from(values);
        const bits = bytes.length * 8;
        const [from, to] = [a % (bits + 1), b % (bits + 1)].sort((x, y) => x - y) as [number, number];
        let at = from;
        let last: boolean | undefined;
        for (const run of bitRuns(bytes, from, to, order)) {
          assert.equal(run.start, at);
          assert.notEqual(run.set, last);
          for (let bit = run.start; bit < run.end; bit += 1)
            assert.equal(bitIsSet(bytes, bit, order), run.set);
          at = run.end;
          last = run.set;
        }
        assert.equal(at, to);
        const before = Uint8Array.from(bytes);
        fillBits(bytes, from, to, set, order);
        for (let bit = 0; bit < bits; bit += 1) {
          const expected = bit >= from && bit < to ? set : bitIsSet(before, bit, order);
          assert.equal(bitIsSet(bytes, bit, order), expected);
        }
      },
    ),
  );
});
