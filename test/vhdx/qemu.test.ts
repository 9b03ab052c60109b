/** What Corral writes, QEMU opens; what QEMU writes, Corral opens and goes on writing. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { CreateOptions, Disk, DiskDriver } from '@corral/disk/disk';
import { vhdDriver } from '@corral/disk/vhd/driver';
import { vhdxDriver } from '@corral/disk/vhdx/driver';
import { seededRandom } from './crash-file.ts';
import { temporaryFolder } from './shared-samples.ts';

const MiB = 2 ** 20;
const run = promisify(execFile);
const skip = spawnSync('qemu-img', ['--version']).error
  ? 'qemu-img is not installed (Debian package qemu-utils)'
  : false;

function driverOf(format: 'vpc' | 'vhdx'): DiskDriver {
  return format === 'vpc' ? vhdDriver : vhdxDriver;
}

/** Random writes and zeros; returns what the disk should hold. */
async function fill(disk: Disk, seed: number, steps: number, expected: Buffer): Promise<void> {
  const random = seededRandom(seed);
  for (let step = 0; step < steps; step += 1) {
    const offset = Math.floor(random() * expected.length);
    const length = Math.min(
      expected.length - offset,
      1 + Math.floor(random() * (random() < 0.3 ? 3 * MiB : 5000)),
    );
    if (random() < 0.3) {
      await disk.zero(offset, length);
      expected.fill(0, offset, offset + length);
    } else {
      const bytes = Buffer.alloc(length, 1 + Math.floor(random() * 255));
      await disk.write(bytes, offset);
      bytes.copy(expected, offset);
    }
    if (random() < 0.2) await disk.flush();
  }
}

async function assertSame(
  path: string,
  format: 'vpc' | 'vhdx',
  expected: Buffer,
  folder: string,
): Promise<void> {
  const raw = join(folder, 'expected.raw');
  await writeFile(raw, expected);
  // QEMU has no check for VHD.
  if (format === 'vhdx') await run('qemu-img', ['check', '-q', '-f', format, path]);
  await run('qemu-img', ['compare', '-q', '-f', format, '-F', 'raw', path, raw]);
  const converted = join(folder, 'converted.raw');
  await run('qemu-img', ['convert', '-f', format, '-O', 'raw', path, converted]);
  assert.ok(expected.equals(await readFile(converted)));
}

const cases: readonly {
  readonly name: string;
  readonly format: 'vpc' | 'vhdx';
  readonly options: CreateOptions;
}[] = [
  { name: 'VHDX, 1 MiB blocks', format: 'vhdx', options: { sizeBytes: 20 * MiB + 1536, blockBytes: MiB } },
  { name: 'VHDX, 32 MiB blocks', format: 'vhdx', options: { sizeBytes: 70 * MiB } },
  { name: 'VHDX, 256 MiB blocks', format: 'vhdx', options: { sizeBytes: 20 * MiB, blockBytes: 256 * MiB } },
  {
    name: 'fixed VHDX',
    format: 'vhdx',
    options: { sizeBytes: 9 * MiB, blockBytes: 2 * MiB, variant: 'fixed' },
  },
  { name: 'dynamic VHD', format: 'vpc', options: { sizeBytes: 20 * MiB + 1536 } },
  {
    name: 'dynamic VHD, 512 KiB blocks',
    format: 'vpc',
    options: { sizeBytes: 9 * MiB + 512, blockBytes: MiB / 2 },
  },
  { name: 'fixed VHD', format: 'vpc', options: { sizeBytes: 10 * MiB + 512, variant: 'fixed' } },
];

for (const { name, format, options } of cases) {
  test(`${name}: QEMU reads what Corral wrote, grew, shrank and compacted`, { skip }, async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'disk');
    const driver = driverOf(format);
    const { sizeBytes } = options;
    const expected = Buffer.alloc(sizeBytes);
    const disk = await driver.create(path, options);
    await fill(disk, sizeBytes, 40, expected);
    await disk.close();
    await assertSame(path, format, expected, folder.path);

    await driver.compact(path);
    await assertSame(path, format, expected, folder.path);
    const grown = Buffer.concat([expected, Buffer.alloc(40 * MiB + 512)]);
    await driver.resize(path, grown.length);
    await assertSame(path, format, grown, folder.path);
    const again = await driver.open(path, { readOnly: false });
    await fill(again, 3, 10, grown);
    await again.close();
    await assertSame(path, format, grown, folder.path);
    const shrunk = grown.subarray(0, sizeBytes - 1024);
    await driver.resize(path, shrunk.length, { shrink: true });
    await assertSame(path, format, shrunk, folder.path);
    const report = await driver.check(path);
    assert.deepEqual(report.problems, []);
  });
}

const written: readonly {
  readonly format: 'vpc' | 'vhdx';
  readonly options: string;
  readonly sizeBytes: number;
}[] = [
  { format: 'vhdx', options: 'subformat=dynamic,block_size=1M', sizeBytes: 20 * MiB },
  { format: 'vhdx', options: 'subformat=fixed,block_size=8M', sizeBytes: 20 * MiB },
  { format: 'vpc', options: 'subformat=dynamic,force_size=on', sizeBytes: 20 * MiB },
  { format: 'vpc', options: 'subformat=fixed,force_size=on', sizeBytes: 20 * MiB },
  // Without force_size QEMU rounds to a geometry: 10,240,000 becomes 10,270,720.
  { format: 'vpc', options: 'subformat=dynamic', sizeBytes: 10_270_720 },
];

for (const { format, options, sizeBytes } of written) {
  test(`Corral reads and goes on writing ${format} (${options}) from QEMU`, { skip }, async () => {
    await using folder = await temporaryFolder();
    const raw = join(folder.path, 'disk.raw');
    const path = join(folder.path, 'disk');
    const expected = Buffer.alloc(sizeBytes);
    const asked = sizeBytes === 10_270_720 ? 10_240_000 : sizeBytes;
    expected.fill(0xa5, 3 * MiB, 5 * MiB + 777);
    expected.fill(0x5a, 9 * MiB, 9 * MiB + 100);
    await writeFile(raw, expected.subarray(0, asked));
    await run('qemu-img', ['convert', '-f', 'raw', '-O', format, '-o', options, raw, path]);
    const driver = driverOf(format);
    {
      await using disk = await driver.open(path, { readOnly: true });
      const content = Buffer.alloc(sizeBytes);
      assert.equal(disk.info.sizeBytes, sizeBytes);
      await disk.read(content, 0);
      assert.ok(content.equals(expected));
    }
    const disk = await driver.open(path, { readOnly: false });
    await fill(disk, 9, 20, expected);
    await disk.close();
    await assertSame(path, format, expected, folder.path);
    assert.deepEqual((await driver.check(path)).problems, []);
  });
}

test('QEMU replays a log that Corral left behind', { skip }, async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'disk.vhdx');
  const sizeBytes = 64 * MiB;
  const disk = await vhdxDriver.create(path, { sizeBytes, blockBytes: MiB });
  const expected = Buffer.alloc(sizeBytes);
  await fill(disk, 21, 60, expected);
  await disk.flush();
  // As if the power went here.
  const left = join(folder.path, 'left.vhdx');
  await copyFile(path, left);
  await disk.close();
  {
    await using dirty = await vhdxDriver.open(left, { readOnly: true });
    assert.equal(dirty.info.dirty, true);
  }
  await run('qemu-img', ['check', '-q', '-f', 'vhdx', '-r', 'all', left]);
  await assertSame(left, 'vhdx', expected, folder.path);
  await using repaired = await vhdxDriver.open(left, { readOnly: true });
  assert.equal(repaired.info.dirty, false);
});
