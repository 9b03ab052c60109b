import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import { newId } from '@corral/core/ids';
import fc from 'fast-check';
import { decodeExtents, encodeExtents, readExtentsFile, writeExtentsFile } from './extents-file.ts';
import { alignTo, bytesOf, clipTo, unionOf } from './ranges.ts';

const size = fc.oneof(fc.nat(100), fc.nat(2 ** 31 - 1), fc.integer({ min: 0, max: 2 ** 46 }));
const ranges = fc
  .array(fc.record({ offset: size, length: size.filter((length) => length > 0) }), { maxLength: 30 })
  .map(unionOf);

test('extents come back as they were written', () => {
  fc.assert(
    fc.property(ranges, fc.uuid(), fc.uuid(), (list, from, to) => {
      const content = { from, to, ranges: list };
      assert.deepEqual(decodeExtents('x', encodeExtents(content)), content);
    }),
  );
});

test('a file with any byte flipped, or cut anywhere, is refused', () => {
  const from = newId();
  const to = newId();
  const bytes = encodeExtents({
    from,
    to,
    ranges: [
      { offset: 2048, length: 4096 },
      { offset: 2 ** 40, length: 300 },
    ],
  });
  const refused = (damaged: Buffer): void =>
    assert.throws(
      () => decodeExtents('x', damaged),
      (cause) => isCorralError(cause, 'tracking.extents-damaged'),
    );
  for (let at = 0; at < bytes.length; at += 1) {
    refused(bytes.subarray(0, at));
    const flipped = Buffer.from(bytes);
    flipped[at]! ^= 1 << (at % 8);
    refused(flipped);
  }
});

test('a file is written whole, and taken for its own states only', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'corral-extents-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const [from, to] = [newId(), newId()];
  const path = join(folder, 'changes', 'one.extents');
  await writeExtentsFile(path, { from, to, ranges: [{ offset: 0, length: 2048 }] });
  assert.deepEqual(await readdir(join(folder, 'changes')), ['one.extents']);
  assert.deepEqual(await readExtentsFile(path, { from, to }), [{ offset: 0, length: 2048 }]);
  await assert.rejects(readExtentsFile(path, { from: to, to: from }), { code: 'tracking.extents-damaged' });
  await assert.rejects(readExtentsFile(`${path}x`, { from, to }), { code: 'tracking.extents-damaged' });
});

test('a union has every byte once', () => {
  const small = fc.array(fc.record({ offset: fc.nat(40), length: fc.nat(8) }), { maxLength: 12 });
  const bytes = (list: readonly { offset: number; length: number }[]): number[] =>
    [...new Set(list.flatMap(({ offset, length }) => Array.from({ length }, (_, i) => offset + i)))].sort(
      (a, b) => a - b,
    );
  fc.assert(
    fc.property(small, fc.nat(50), fc.integer({ min: 1, max: 9 }), (list, end, block) => {
      const union = unionOf(list);
      assert.deepEqual(bytes(union), bytes(list));
      assert.equal(bytesOf(union), bytes(list).length);
      assert.deepEqual(
        bytes(clipTo(union, end)),
        bytes(list).filter((at) => at < end),
      );
      const blocks = new Set(bytes(list).map((at) => Math.floor(at / block)));
      assert.equal(bytesOf(alignTo(union, block)), blocks.size * block);
    }),
  );
});
