import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertRejects, diskConformance, withFolder } from '../disk-conformance.ts';
import { vhdDriver } from './driver.ts';

const KiB = 2 ** 10;
const driver = vhdDriver;

const parent = {
  format: 'vhd',
  paths: [
    { kind: 'relative', path: '.\\parent.vhd' },
    { kind: 'absolute', path: 'C:\\disks\\parent.vhd' },
  ],
  identity: { dataWriteId: '21111111-2222-4333-8444-555555555555' },
} as const;

diskConformance({
  name: 'dynamic',
  driver,
  sizeBytes: 300 * KiB + 512,
  options: { blockBytes: 64 * KiB },
  largerBytes: 900 * KiB,
});
diskConformance({
  name: 'fixed',
  driver,
  sizeBytes: 200 * KiB + 512,
  options: { variant: 'fixed' },
  largerBytes: 300 * KiB,
});
diskConformance({
  name: 'differencing',
  driver,
  sizeBytes: 300 * KiB - 512,
  options: { blockBytes: 64 * KiB, parent },
});

test('no table becomes longer than what is read', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'disk.vhd');
    const small = { blockBytes: 65_536 };
    const GiB = 2 ** 30;
    await (await driver.create(path, { sizeBytes: 1024 * GiB, ...small })).close();
    await assertRejects(() => driver.resize(path, 1025 * GiB), 'disk.unsupported-option');
    await using disk = await driver.open(path, { readOnly: true });
    assert.equal(disk.info.sizeBytes, 1024 * GiB);
    assert.throws(() => driver.plan({ sizeBytes: 1025 * GiB, ...small }), {
      code: 'disk.unsupported-option',
    });
  }));
