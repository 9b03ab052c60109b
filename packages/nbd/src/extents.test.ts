import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { alignExtents, type Extent, joinExtents } from './extents.ts';

/** Extents of these lengths and flags, one behind the other. */
function extents(runs: readonly (readonly [number, number])[]): Extent[] {
  let offset = 0;
  return runs.map(([length, flags]) => {
    const extent = { offset, length, flags };
    offset += length;
    return extent;
  });
}

/** The flags of each byte. */
function spread(list: readonly Extent[]): number[] {
  return list.flatMap(({ length, flags }) => new Array<number>(length).fill(flags));
}

const runs = fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 2 })), {
  maxLength: 12,
});

test('joining keeps every byte and leaves no equal neighbours', async () => {
  const property = fc.asyncProperty(runs, async (list) => {
    const joined = await Array.fromAsync(joinExtents(extents(list)));
    assert.deepEqual(spread(joined), spread(extents(list)));
    assert.ok(joined.every((extent, index) => extent.flags !== joined[index + 1]?.flags));
  });
  await fc.assert(property);
});

test('aligning tells what each list says of each byte, as far as the shortest goes', async () => {
  const property = fc.asyncProperty(runs, runs, async (first, second) => {
    const lists = [extents(first), extents(second)] as const;
    const aligned = await Array.fromAsync(alignExtents(...lists));
    const bytes = aligned.flatMap(({ length, flags }) => new Array<readonly number[]>(length).fill(flags));
    const [a, b] = lists.map(spread);
    const expected = a!.slice(0, b!.length).map((flags, index) => [flags, b![index]]);
    assert.deepEqual(bytes, expected);
  });
  await fc.assert(property);
});

test('aligning nothing is nothing', async () => {
  assert.deepEqual(await Array.fromAsync(alignExtents()), []);
});
