import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ParentLink } from '../disk.ts';
import { diskConformance, withFolder } from '../disk-conformance.ts';
import { qcow2Driver as driver } from './driver.ts';

const parent: ParentLink = { format: 'raw', paths: [{ kind: 'relative', path: 'base.raw' }] };

diskConformance({ name: 'defaults', driver, sizeBytes: 1_000_448, largerBytes: 2 ** 21 });
diskConformance({
  name: 'clusters of 512 bytes, many tables',
  driver,
  sizeBytes: 200_192,
  options: { blockBytes: 512 },
  largerBytes: 500_224,
});
diskConformance({
  name: 'subclusters',
  driver,
  sizeBytes: 300_032,
  options: { blockBytes: 16_384, extendedL2: true },
  largerBytes: 400_384,
});
diskConformance({
  name: 'differencing',
  driver,
  sizeBytes: 262_144,
  options: { blockBytes: 4096, parent },
  largerBytes: 327_680,
});
diskConformance({
  name: 'differencing with subclusters',
  driver,
  sizeBytes: 524_288,
  options: { extendedL2: true, parent },
  largerBytes: 1_048_576,
});

test('the last byte of a disk that ends inside a cluster becomes zero', () =>
  withFolder(async (folder) => {
    const sizeBytes = 300_032;
    const path = join(folder, 'disk');
    await using disk = await driver.create(path, { sizeBytes, blockBytes: 16_384, extendedL2: true });
    await disk.write(Buffer.alloc(1024, 1), sizeBytes - 1024);
    await disk.zero(sizeBytes - 1, 1);
    const end = Buffer.alloc(2);
    await disk.read(end, sizeBytes - 2);
    assert.deepEqual([...end], [1, 0]);
  }));
