/**
 * Damaged and hostile images: whatever the bytes are, the result is a disk or an error of the registry, with bounded work and memory.
 * Checksums are made right after the damage, so that it reaches the parsers behind them.
 *
 * CORRAL_FUZZ_RUNS=1000000 CORRAL_FUZZ_SEED=42 node --test test/vhdx/fuzz.test.ts runs for hours; a failure names its seed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import type { Disk } from '@corral/disk/disk';
import { checkVhdFile } from '@corral/disk/vhd/check';
import { openVhd } from '@corral/disk/vhd/driver';
import { checksum as vhdChecksum } from '@corral/disk/vhd/footer';
import { sealChecksum } from '@corral/disk/vhdx/checksum';
import { VhdxImage } from '@corral/disk/vhdx/image';
import { VhdxDisk } from '@corral/disk/vhdx/vhdx-disk';
import { assertLittleWork, withinProcessorTime } from './bounded-work.ts';
import { CrashFile, seededRandom } from './crash-file.ts';
import { damage, type Seed, seedImages } from './fuzz-images.ts';

const runs = Number(process.env['CORRAL_FUZZ_RUNS'] ?? 1500);
const firstSeed = Number(process.env['CORRAL_FUZZ_SEED'] ?? 1);
const KiB = 2 ** 10;
const MiB = 2 ** 20;

/** Seeds that once found something, run each time. */
const kept: readonly number[] = [];

function seal(file: CrashFile, offset: number, length: number, how: (bytes: Buffer) => void): void {
  const bytes = Buffer.alloc(length);
  if (offset < 0 || file.content.read(bytes, offset) < length) return;
  how(bytes);
  file.content.write(bytes, offset);
}

function sealAll(file: CrashFile, format: Seed['format']): void {
  const crc = (bytes: Buffer): void => sealChecksum(bytes, 4);
  const sum = (field: number) => (bytes: Buffer) => bytes.writeUInt32BE(vhdChecksum(bytes, field), field);
  if (format === 'vhdx') {
    for (const offset of [64, 128]) seal(file, offset * KiB, 4 * KiB, crc);
    for (const offset of [192, 256]) seal(file, offset * KiB, 64 * KiB, crc);
    for (let at = MiB; at < MiB + 64 * KiB; at += 4 * KiB) sealLogEntry(file, at);
  } else {
    seal(file, 0, 512, sum(64));
    seal(file, 512, 1024, sum(36));
    seal(file, file.length - 512, 512, sum(64));
  }
}

function sealLogEntry(file: CrashFile, at: number): void {
  const header = Buffer.alloc(64);
  file.content.read(header, at);
  const length = header.readUInt32LE(8);
  if (header.toString('latin1', 0, 4) !== 'loge' || length === 0 || length > MiB) return;
  seal(file, at, length, (bytes) => sealChecksum(bytes, 4));
}

async function exercise(disk: Disk): Promise<void> {
  const { sizeBytes } = disk.info;
  let extents = 0;
  for await (const extent of disk.extents({ offset: 0, length: Math.min(sizeBytes, 64 * MiB) })) {
    extents += 1;
    if (extent.kind === 'data') await disk.read(Buffer.alloc(Math.min(extent.length, MiB)), extent.offset);
  }
  assert.ok(extents > 0 || sizeBytes === 0);
  await disk.read(Buffer.alloc(Math.min(sizeBytes, 4096)), Math.max(0, sizeBytes - 4096));
}

async function openAndUse(file: CrashFile, format: Seed['format'], readOnly: boolean): Promise<void> {
  if (format === 'vhd') {
    if (readOnly) await checkVhdFile(new CrashFile(file.content.copy()), {});
    await exerciseOpen(await openVhd(file, { readOnly }), readOnly);
    return;
  }
  const image = await VhdxImage.open(file, { replayIntoFile: !readOnly });
  await exerciseOpen(new VhdxDisk(image, readOnly), readOnly);
}

async function exerciseOpen(disk: Disk, readOnly: boolean): Promise<void> {
  await exercise(disk);
  if (readOnly || disk.info.sizeBytes < 512) return;
  await disk.write(Buffer.alloc(512, 9), disk.info.sizeBytes - 512);
  await disk.flush();
  await disk.close();
}

async function oneRun(seeds: readonly Seed[], number: number): Promise<'opened' | 'refused'> {
  const random = seededRandom(number);
  const seed = seeds[Math.floor(random() * seeds.length)]!;
  const file = damage(seed, random);
  if (random() < 0.8) sealAll(file, seed.format);
  let opened = true;
  for (const readOnly of [true, false]) {
    try {
      await openAndUse(file, seed.format, readOnly);
    } catch (cause) {
      opened = false;
      if (!isCorralError(cause) || !cause.code.startsWith('disk.')) {
        throw new Error(`seed ${number} (${seed.format}, ${readOnly ? 'read-only' : 'for writing'})`, {
          cause,
        });
      }
    }
  }
  assertLittleWork(file, `seed ${number} (${seed.format})`);
  return opened ? 'opened' : 'refused';
}

test(`${runs} damaged images from seed ${firstSeed} give a disk or an error with a code`, async () => {
  const seeds = await seedImages();
  const results = { opened: 0, refused: 0 };
  for (const number of kept) await oneRun(seeds, number);
  for (let number = firstSeed; number < firstSeed + runs; number += 1) {
    results[await withinProcessorTime(5_000, `seed ${number}`, () => oneRun(seeds, number))] += 1;
  }
  // The fuzzer must reach both sides, else it tests nothing.
  assert.ok(results.opened > runs / 50 && results.refused > runs / 10, JSON.stringify(results));
  const { rss } = process.memoryUsage();
  assert.ok(rss < 700 * MiB, `the fuzzer took ${Math.round(rss / MiB)} MiB`);
});
