/**
 * Damaged and hostile qcow2 files: whatever the bytes are, the result is a disk or an error of the registry, with
 * bounded work and memory, and a write never goes where the file's own tables lie. docs/howto/fuzz.md
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import type { Disk } from '@corral/disk/disk';
import { checkFile } from '@corral/disk/qcow2/check';
import { compactFile } from '@corral/disk/qcow2/compact';
import { openQcow2File } from '@corral/disk/qcow2/driver';
import { resizeFile } from '@corral/disk/qcow2/resize';
import { assertLittleWork, withinProcessorTime } from '../vhdx/bounded-work.ts';
import { CrashFile, seededRandom } from '../vhdx/crash-file.ts';
import { damage, type Seed, seedImages } from './qcow2-fuzz-images.ts';

const runs = Number(process.env['CORRAL_FUZZ_RUNS'] ?? 1500);
const firstSeed = Number(process.env['CORRAL_FUZZ_SEED'] ?? 1);
const MiB = 2 ** 20;

/** Seeds that once found something, run each time. */
const kept: readonly number[] = [];

async function readSome(disk: Disk): Promise<void> {
  const { sizeBytes } = disk.info;
  for await (const { kind, offset, length } of disk.extents({
    offset: 0,
    length: Math.min(sizeBytes, 64 * MiB),
  })) {
    if (kind === 'data') await disk.read(Buffer.alloc(Math.min(length, MiB)), offset);
  }
  await disk.read(Buffer.alloc(Math.min(sizeBytes, 4096)), Math.max(0, sizeBytes - 4096));
}

async function writeSome(disk: Disk): Promise<void> {
  const { sizeBytes } = disk.info;
  if (sizeBytes < 200_000 || sizeBytes > 64 * MiB) return;
  await disk.write(Buffer.alloc(60_000, 9), 50_000);
  await disk.zero(30_000, 100_000);
  await disk.write(Buffer.alloc(512, 9), sizeBytes - 512);
  await disk.flush();
  await disk.close();
}

/** What is done to each file, one kind after another, each on a copy. */
const uses: Readonly<Record<string, (file: CrashFile) => Promise<void>>> = {
  read: async (file) => readSome(await openQcow2File(file, { readOnly: true })),
  check: async (file) => void (await checkFile(file, {})),
  repair: async (file) => {
    const { ok } = await checkFile(file, { repair: true });
    if (ok) assert.equal((await checkFile(file, {})).ok, true, 'a repair did not last');
  },
  write: async (file) => {
    const sound = (await checkFile(file, {})).ok;
    await writeSome(await openQcow2File(file, { readOnly: false }));
    if (!sound) return;
    // A bitmap that missed a write is given up, and its clusters leak.
    const { problems } = await checkFile(file, {});
    assert.deepEqual(
      problems.filter(({ kind }) => kind === 'corruption'),
      [],
      'a write damaged a sound file',
    );
  },
  resize: (file) => resizeFile(file, 2 * MiB, { shrink: true }),
  compact: async (file) => {
    if ((await checkFile(file, {})).ok) await compactFile(file, {});
  },
};

async function oneRun(seeds: readonly Seed[], number: number): Promise<'opened' | 'refused'> {
  const random = seededRandom(number);
  const damaged = damage(seeds[Math.floor(random() * seeds.length)]!, random);
  let opened = true;
  for (const [name, use] of Object.entries(uses)) {
    const file = new CrashFile(damaged.content.copy());
    try {
      await use(file);
    } catch (cause) {
      opened &&= name !== 'read';
      if (!isCorralError(cause) || !cause.code.startsWith('disk.')) {
        throw new Error(`seed ${number}, ${name}`, { cause });
      }
    }
    assertLittleWork(file, `seed ${number}, ${name}`);
  }
  return opened ? 'opened' : 'refused';
}

test(`${runs} damaged qcow2 files from seed ${firstSeed} give a disk or an error with a code`, async () => {
  const seeds = await seedImages();
  for (const seed of seeds) assert.equal((await checkFile(new CrashFile(seed.content.copy()), {})).ok, true);
  const results = { opened: 0, refused: 0 };
  for (const number of kept) await oneRun(seeds, number);
  for (let number = firstSeed; number < firstSeed + runs; number += 1) {
    results[await withinProcessorTime(10_000, `seed ${number}`, () => oneRun(seeds, number))] += 1;
  }
  // It must reach both sides, else it tests nothing.
  assert.ok(results.opened > runs / 50 && results.refused > runs / 10, JSON.stringify(results));
  const { rss } = process.memoryUsage();
  assert.ok(rss < 1024 * MiB, `the fuzzer took ${Math.round(rss / MiB)} MiB`);
});
