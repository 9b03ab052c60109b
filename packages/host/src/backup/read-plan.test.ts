import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Disk, Extent, Range } from '@corral/disk/disk';
import fc from 'fast-check';
import { unionOf } from '../tracking/ranges.ts';
import { planChangedRead, planFullRead } from './read-plan.ts';

const block = 2 ** 16;
const { signal } = new AbortController();

/** A disk that has data in these ranges. */
function diskOf(sizeBytes: number, data: readonly Range[]): Disk {
  const union = unionOf(data);
  const fake = {
    info: { sizeBytes },
    async *extents({ offset, length }: Range): AsyncGenerator<Extent> {
      let at = offset;
      const end = offset + length;
      for (const range of union) {
        const from = Math.max(range.offset, offset);
        const to = Math.min(range.offset + range.length, end);
        if (to <= from) continue;
        if (from > at) yield { offset: at, length: from - at, kind: 'hole', layer: 0 };
        yield { offset: from, length: to - from, kind: 'data', layer: 0 };
        at = to;
      }
      if (at < end) yield { offset: at, length: end - at, kind: 'zero', layer: 0 };
    },
  };
  return fake as unknown as Disk;
}

const range = (sizeBytes: number): fc.Arbitrary<Range> =>
  fc
    .tuple(fc.nat(sizeBytes - 1), fc.integer({ min: 1, max: 3 * block }))
    .map(([offset, length]) => ({ offset, length: Math.min(length, sizeBytes - offset) }));

const scene = fc.integer({ min: 1, max: 12 * block }).chain((sizeBytes) =>
  fc.record({
    sizeBytes: fc.constant(sizeBytes),
    shorter: fc.boolean(),
    data: fc.array(range(sizeBytes), { maxLength: 6 }),
    changes: fc.array(range(sizeBytes), { maxLength: 6 }),
  }),
);

test('every change is read or known to be zero, in order and in whole blocks', async () => {
  await fc.assert(
    fc.asyncProperty(scene, async ({ sizeBytes, shorter, data, changes }) => {
      const diskBytes = shorter ? Math.ceil(sizeBytes / 2) : sizeBytes;
      const inside = data.filter(({ offset, length }) => offset + length <= diskBytes);
      const disk = diskOf(diskBytes, inside);
      const pieces = await planChangedRead(disk, unionOf(changes), sizeBytes, signal);
      let at = 0;
      for (const { offset, length } of pieces) {
        assert.ok(offset >= at && length > 0 && offset + length <= sizeBytes);
        assert.equal(offset % block, 0);
        assert.ok((offset + length) % block === 0 || offset + length === sizeBytes);
        at = offset + length;
      }
      const covers = (kind: boolean | null, byte: number): boolean =>
        pieces.some(
          ({ offset, length, isZero }) =>
            (kind === null || isZero === kind) && byte >= offset && byte < offset + length,
        );
      for (const { offset, length } of changes) {
        assert.ok(covers(null, offset) && covers(null, offset + length - 1));
      }
      for (const { offset, length } of inside) {
        assert.ok(!covers(true, offset) && !covers(true, offset + length - 1), 'data is not taken for zeros');
      }
      for (const { offset, length } of inside) {
        const full = await planFullRead(disk, sizeBytes, signal);
        const read = (byte: number): boolean =>
          full.some((piece) => byte >= piece.offset && byte < piece.offset + piece.length);
        assert.ok(read(offset) && read(offset + length - 1));
      }
    }),
  );
});
