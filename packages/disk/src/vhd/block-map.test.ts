import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { BlockFile } from '../file.ts';
import { BlockMap } from './block-map.ts';
import type { DynamicStructure, VhdStructure } from './structure.ts';

it('bitmaps are kept by their size, not by their number: a file may claim blocks of 2 GiB', async () => {
  let reads = 0;
  const readExact = async (): Promise<void> => {
    reads += 1;
  };
  const file = { readExact } as unknown as BlockFile;
  const bitmapBytes = 2 ** 19;
  const dynamic = { header: { blockBytes: 2 ** 31 }, blocks: 64, bitmapBytes } as unknown as DynamicStructure;
  const map = new BlockMap(file, { sizeBytes: 2 ** 37 } as VhdStructure, dynamic);
  for (let block = 0; block < 64; block += 1) await map.bitmap(block, 2 ** 20);
  await map.bitmap(63, 2 ** 20);
  assert.equal(reads, 64, 'the last one is still there');
  await map.bitmap(0, 2 ** 20);
  assert.equal(reads, 65, 'the first is not');
});
