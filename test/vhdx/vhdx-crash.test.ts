/**
 * A power cut at any moment leaves a VHDX that opens and holds all that was flushed. Seeds are kept: a failure names its own.
 * Of the moments a part is looked at; CORRAL_TEST_SCALE=3 takes all of them.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CreateOptions } from '@corral/disk/disk';
import { compactVhdxFile } from '@corral/disk/vhdx/compact';
import { vhdxDriver } from '@corral/disk/vhdx/driver';
import { VhdxImage } from '@corral/disk/vhdx/image';
import { resizeImage } from '@corral/disk/vhdx/resize';
import { mapSpace } from '@corral/disk/vhdx/table-scan';
import { VhdxDisk } from '@corral/disk/vhdx/vhdx-disk';
import { type Content, CrashFile, crashStates, loadContent, seededRandom } from './crash-file.ts';
import { DiskModel, randomSession, readTags, sectorBytes } from './crash-model.ts';
import { temporaryFolder } from './shared-samples.ts';

const MiB = 2 ** 20;
const share = 0.35 * Number(process.env['CORRAL_TEST_SCALE'] ?? 1);
const blockSectors = MiB / sectorBytes;

const parent: NonNullable<CreateOptions['parent']> = {
  format: 'vhdx',
  paths: [{ kind: 'relative', path: 'parent.vhdx' }],
  identity: {
    id: '11111111-2222-4333-8444-555555555555',
    dataWriteId: '21111111-2222-4333-8444-555555555555',
  },
};

async function newContent(options: CreateOptions): Promise<Content> {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'disk.vhdx');
  await (await vhdxDriver.create(path, options)).close();
  return loadContent(await readFile(path));
}

async function openDisk(content: Content, how: { readOnly: boolean }): Promise<VhdxDisk> {
  const image = await VhdxImage.open(new CrashFile(content), { replayIntoFile: !how.readOnly });
  return new VhdxDisk(image, how.readOnly);
}

/** Opens what is left, in memory and into the file, and looks for structures that share a place. */
async function survivors(content: Content, check: (disk: VhdxDisk) => Promise<void>): Promise<void> {
  const image = await VhdxImage.open(new CrashFile(content.copy()), { replayIntoFile: false });
  await mapSpace(image, {});
  await check(new VhdxDisk(image, true));
  const replayed = new CrashFile(content.copy());
  await (await VhdxImage.open(replayed, { replayIntoFile: true })).file.close();
  await check(await openDisk(replayed.content, { readOnly: true }));
}

const variants: readonly { readonly name: string; readonly options: CreateOptions }[] = [
  { name: 'dynamic', options: { sizeBytes: 4 * MiB - 4096, blockBytes: MiB } },
  { name: 'fixed', options: { sizeBytes: 3 * MiB, blockBytes: MiB, variant: 'fixed' } },
  { name: 'differencing', options: { sizeBytes: 4 * MiB, blockBytes: MiB, parent } },
];

for (const { name, options } of variants) {
  for (const seed of [1, 2, 3]) {
    test(`${name}: every prefix of a session, with what was not flushed dropped at will (seed ${seed})`, async () => {
      const base = await newContent(options);
      const random = seededRandom(seed);
      const file = new CrashFile(base.copy());
      const disk = new VhdxDisk(await VhdxImage.open(file, { replayIntoFile: true }), false);
      const model = new DiskModel(file, options.sizeBytes / sectorBytes);
      await randomSession(model, disk, random, { steps: 40, blockSectors });
      await model.flush(disk);
      await disk.close();
      const sampled = (): boolean => random() < share;
      for (const state of crashStates(base, file.operations, random, sampled)) {
        try {
          await survivors(state.content, (left) => model.check(left, state.done));
        } catch (cause) {
          throw new Error(`seed ${seed}, after ${state.done} operations, ${state.how} of the rest`, {
            cause,
          });
        }
      }
      const end = await openDisk(file.content, { readOnly: true });
      assert.equal(end.info.dirty, false);
    });
  }
}

test('a log that is used up and begun again never leaves the file without a sequence', async () => {
  const options: CreateOptions = { sizeBytes: 64 * MiB, blockBytes: MiB, parent };
  const base = await newContent(options);
  const random = seededRandom(7);
  const file = new CrashFile(base.copy());
  const disk = new VhdxDisk(await VhdxImage.open(file, { replayIntoFile: true }), false);
  const model = new DiskModel(file, options.sizeBytes / sectorBytes);
  for (let step = 0; step < 300; step += 1) {
    await model.write(disk, Math.floor(random() * 4000) * 32, 1);
    await model.flush(disk);
  }
  const generations = new Set<number>();
  for (const state of crashStates(base, file.operations, random, () => random() < share / 15)) {
    await survivors(state.content, (left) => model.check(left, state.done));
    generations.add(state.done);
  }
  assert.ok(generations.size > 10);
});

test('a crash while the log is replayed into the file loses nothing', async () => {
  const options: CreateOptions = { sizeBytes: 5 * MiB, blockBytes: MiB, parent };
  const base = await newContent(options);
  const random = seededRandom(11);
  const file = new CrashFile(base.copy());
  const disk = new VhdxDisk(await VhdxImage.open(file, { replayIntoFile: true }), false);
  const model = new DiskModel(file, options.sizeBytes / sectorBytes);
  await randomSession(model, disk, random, { steps: 20, blockSectors });
  await model.flush(disk);
  const done = file.operations.length;
  // The power goes right after the flush: the log is needed.
  const [left] = [...crashStates(base, file.operations, random, (count) => count === done)].slice(1);
  const again = new CrashFile(left!.content.copy());
  await VhdxImage.open(again, { replayIntoFile: true });
  assert.ok(again.operations.length > 4);
  for (const state of crashStates(left!.content, again.operations, random)) {
    await survivors(state.content, (survivor) => model.check(survivor, done));
  }
});

test('compacting can be cut off at any moment', async () => {
  for (const { options } of variants.filter(({ name }) => name !== 'fixed')) {
    const random = seededRandom(5);
    const first = new CrashFile(await newContent(options));
    const disk = new VhdxDisk(await VhdxImage.open(first, { replayIntoFile: true }), false);
    const model = new DiskModel(first, options.sizeBytes / sectorBytes);
    await randomSession(model, disk, random, { steps: 25, blockSectors });
    await model.zero(disk, 0, 2048);
    await disk.close();
    const expected = await readTags(
      await openDisk(first.content, { readOnly: true }),
      options.sizeBytes / sectorBytes,
    );
    const base = first.content.copy();
    const file = new CrashFile(base.copy());
    const before = file.length;
    await compactVhdxFile(file, {});
    assert.ok(file.length < before, 'nothing was compacted');
    for (const state of crashStates(base, file.operations, random, () => random() < share)) {
      await survivors(state.content, async (left) => {
        assert.deepEqual(await readTags(left, options.sizeBytes / sectorBytes), expected);
      });
    }
  }
});

test('resizing can be cut off at any moment', async () => {
  const cases = [
    { from: 2 * MiB + 8192, to: 5 * MiB + 4096 },
    { from: 4 * MiB, to: MiB + 4096 },
    // A table of one MiB holds 131,072 entries: the grown one must move.
    { from: 4 * MiB, to: 200_000 * MiB },
  ];
  for (const { options } of variants) {
    for (const { from, to } of cases) {
      if ((options.variant || options.parent) && to > 100 * MiB) continue;
      await resizeCrash({ ...options, sizeBytes: from }, to);
    }
  }
});

async function resizeCrash(options: CreateOptions, to: number): Promise<void> {
  const from = options.sizeBytes;
  const random = seededRandom(from + to);
  const first = new CrashFile(await newContent(options));
  const disk = new VhdxDisk(await VhdxImage.open(first, { replayIntoFile: true }), false);
  const model = new DiskModel(first, from / sectorBytes);
  await randomSession(model, disk, random, { steps: 25, blockSectors });
  await disk.close();
  const common = Math.min(from, to) / sectorBytes;
  const expected = await readTags(await openDisk(first.content, { readOnly: true }), common);
  const base = first.content.copy();
  const file = new CrashFile(base.copy());
  await resizeImage(await VhdxImage.open(file, { replayIntoFile: true }), to, { shrink: true });
  const seen = new Set<number>();
  const ends = [0, file.operations.length];
  const sampled = (done: number): boolean => ends.includes(done) || random() < share;
  for (const state of crashStates(base, file.operations, random, sampled)) {
    await survivors(state.content, async (left) => {
      const { sizeBytes } = left.info;
      seen.add(sizeBytes);
      assert.ok(sizeBytes === from || sizeBytes === to);
      assert.deepEqual(await readTags(left, common), expected);
      for await (const extent of left.extents({
        offset: common * sectorBytes,
        length: sizeBytes - common * sectorBytes,
      })) {
        if (sizeBytes === to) await assertGrown(left, extent.offset, extent.length, extent.kind);
      }
    });
  }
  assert.deepEqual([...seen].sort(), [from, to].sort());
}

/** What is new reads as zero, and says so even over a parent that is larger. */
async function assertGrown(disk: VhdxDisk, offset: number, length: number, kind: string): Promise<void> {
  if (disk.info.parent) assert.notEqual(kind, 'hole');
  if (kind !== 'data') return;
  const bytes = Buffer.alloc(length);
  await disk.read(bytes, offset);
  assert.ok(bytes.every((byte) => byte === 0));
}

test('a failed flush ends the opening: later writes are refused, and what was flushed is there', async () => {
  const base = await newContent({ sizeBytes: 4 * MiB, blockBytes: MiB });
  const file = new CrashFile(base);
  const disk = new VhdxDisk(await VhdxImage.open(file, { replayIntoFile: true }), false);
  const model = new DiskModel(file, (4 * MiB) / sectorBytes);
  await model.write(disk, 0, 100);
  await model.flush(disk);
  await model.write(disk, 4000, 10);
  file.failAfter = file.operations.length + 1;
  await assert.rejects(disk.flush(), /EIO/);
  file.failAfter = Number.POSITIVE_INFINITY;
  await assert.rejects(disk.write(Buffer.alloc(512), 0), /EIO/);
  await assert.rejects(disk.close(), /EIO/);
  await model.check(await openDisk(file.content, { readOnly: true }), file.operations.length);
});
