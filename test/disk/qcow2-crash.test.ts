/**
 * A power cut at any moment leaves a qcow2 that opens, holds all that was flushed, and has leaks at worst.
 * Seeds are kept: a failure names its own.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CreateOptions, Disk } from '@corral/disk/disk';
import { checkFile } from '@corral/disk/qcow2/check';
import { compactFile } from '@corral/disk/qcow2/compact';
import { createQcow2File, openQcow2File } from '@corral/disk/qcow2/driver';
import { resizeFile } from '@corral/disk/qcow2/resize';
import { Content, CrashFile, crashStates, seededRandom } from '../vhdx/crash-file.ts';
import { DiskModel, randomSession, readTags, sectorBytes } from '../vhdx/crash-model.ts';

const KiB = 1024;

const parent: NonNullable<CreateOptions['parent']> = {
  format: 'raw',
  paths: [{ kind: 'relative', path: 'parent.raw' }],
};

async function newContent(options: CreateOptions): Promise<Content> {
  const file = new CrashFile(new Content());
  await (await createQcow2File(file, options)).close();
  return file.content;
}

function openDisk(content: Content): Promise<Disk> {
  return openQcow2File(new CrashFile(content), { readOnly: true });
}

/** The file opens both ways and only leaks; after their repair it is as it was. */
async function survivors(content: Content, check: (disk: Disk) => Promise<void>): Promise<void> {
  const report = await checkFile(new CrashFile(content.copy()), {});
  assert.deepEqual(
    report.problems.filter(({ kind }) => kind === 'corruption'),
    [],
  );
  await check(await openDisk(content));
  const repaired = new CrashFile(content.copy());
  assert.equal((await checkFile(repaired, { repair: true })).ok, true);
  assert.deepEqual((await checkFile(repaired, {})).problems, []);
  await check(await openDisk(repaired.content));
  await (await openQcow2File(repaired, { readOnly: false })).close();
}

const variants: readonly {
  readonly name: string;
  readonly options: CreateOptions;
  readonly blockSectors: number;
}[] = [
  { name: 'clusters of 4 KiB', options: { sizeBytes: 900 * KiB, blockBytes: 4 * KiB }, blockSectors: 8 },
  { name: 'clusters of 512 bytes', options: { sizeBytes: 300 * KiB, blockBytes: 512 }, blockSectors: 1 },
  {
    name: 'subclusters',
    options: { sizeBytes: 1000 * KiB, blockBytes: 16 * KiB, extendedL2: true },
    blockSectors: 32,
  },
  {
    // Subclusters of a sector: the model's writes are whole grains.
    name: 'differencing with subclusters',
    options: { sizeBytes: 1000 * KiB, blockBytes: 16 * KiB, extendedL2: true, parent },
    blockSectors: 32,
  },
];

for (const { name, options, blockSectors } of variants) {
  for (const seed of [1, 2, 3]) {
    test(`${name}: every prefix of a session, with what was not flushed dropped at will (seed ${seed})`, async () => {
      const base = await newContent(options);
      const random = seededRandom(seed);
      const file = new CrashFile(base.copy());
      const disk = await openQcow2File(file, { readOnly: false });
      const model = new DiskModel(file, options.sizeBytes / sectorBytes);
      await randomSession(model, disk, random, { steps: 40, blockSectors });
      await model.flush(disk);
      await disk.close();
      const sampled = (): boolean => random() < 60 / file.operations.length;
      for (const state of crashStates(base, file.operations, random, sampled)) {
        try {
          await survivors(state.content, (left) => model.check(left, state.done));
        } catch (cause) {
          throw new Error(`seed ${seed}, after ${state.done} operations, ${state.how} of the rest`, {
            cause,
          });
        }
      }
      assert.deepEqual((await checkFile(file, {})).problems, [], 'a session that ended well left something');
    });
  }
}

test('compacting can be cut off at any moment', async () => {
  for (const { options, blockSectors } of variants) {
    const random = seededRandom(5);
    const first = new CrashFile(await newContent(options));
    const disk = await openQcow2File(first, { readOnly: false });
    const model = new DiskModel(first, options.sizeBytes / sectorBytes);
    await randomSession(model, disk, random, { steps: 30, blockSectors });
    await disk.zero(0, 200 * KiB);
    await disk.write(Buffer.alloc(50 * KiB), 210 * KiB);
    await disk.close();
    const sectors = options.sizeBytes / sectorBytes;
    const expected = await readTags(await openDisk(first.content), sectors);
    const base = first.content.copy();
    const file = new CrashFile(base.copy());
    await compactFile(file, {});
    assert.ok(file.length < base.length, 'nothing was compacted');
    const sampled = (): boolean => random() < 150 / file.operations.length;
    for (const state of crashStates(base, file.operations, random, sampled)) {
      await survivors(state.content, async (left) =>
        assert.deepEqual(await readTags(left, sectors), expected),
      );
    }
  }
});

test('resizing can be cut off at any moment', async () => {
  for (const { options, blockSectors } of variants) {
    for (const sizeBytes of [options.sizeBytes + 100 * KiB, options.sizeBytes * 70, 100 * KiB]) {
      await resizeCrash(options, blockSectors, sizeBytes);
    }
  }
});

async function resizeCrash(options: CreateOptions, blockSectors: number, to: number): Promise<void> {
  const from = options.sizeBytes;
  const random = seededRandom(from + to);
  const first = new CrashFile(await newContent(options));
  const disk = await openQcow2File(first, { readOnly: false });
  const model = new DiskModel(first, from / sectorBytes);
  await randomSession(model, disk, random, { steps: 25, blockSectors });
  await disk.close();
  const common = Math.min(from, to) / sectorBytes;
  const expected = await readTags(await openDisk(first.content), common);
  const base = first.content.copy();
  const file = new CrashFile(base.copy());
  await resizeFile(file, to, { shrink: true });
  const seen = new Set<number>();
  const sampled = (done: number): boolean =>
    done === 0 || done === file.operations.length || random() < 60 / file.operations.length;
  for (const state of crashStates(base, file.operations, random, sampled)) {
    await survivors(state.content, async (left) => {
      const { sizeBytes } = left.info;
      seen.add(sizeBytes);
      assert.ok(sizeBytes === from || sizeBytes === to);
      assert.deepEqual(await readTags(left, common), expected);
      if (sizeBytes !== to || to < from) return;
      for await (const { kind, offset, length } of left.extents({ offset: from, length: to - from })) {
        if (options.parent) assert.notEqual(kind, 'hole', 'a longer parent shows through');
        if (kind !== 'data') continue;
        const bytes = Buffer.alloc(length);
        await left.read(bytes, offset);
        assert.ok(bytes.every((byte) => byte === 0));
      }
    });
  }
  assert.deepEqual([...seen].sort(), [from, to].sort());
}

test('a failed barrier ends the opening: later writes are refused, and what was flushed is there', async () => {
  const options = { sizeBytes: 1000 * KiB, blockBytes: 4 * KiB };
  for (let fails = 1; fails < 8; fails += 1) {
    const file = new CrashFile(await newContent(options));
    const disk = await openQcow2File(file, { readOnly: false });
    const model = new DiskModel(file, options.sizeBytes / sectorBytes);
    await model.write(disk, 0, 100);
    await model.flush(disk);
    await model.write(disk, 400, 10);
    file.failAfter = file.operations.length + fails;
    const failed = await disk.flush().then(
      () => false,
      () => true,
    );
    file.failAfter = Number.POSITIVE_INFINITY;
    if (!failed) await disk.close();
    const left = await openDisk(file.content);
    await model.check(left, file.operations.length);
  }
});
