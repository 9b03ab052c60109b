/** A power cut at any moment leaves a VHD that opens and holds all that was flushed, although it has no log. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CreateOptions, Disk } from '@corral/disk/disk';
import { BlockMap } from '@corral/disk/vhd/block-map';
import { compactVhdFile } from '@corral/disk/vhd/compact';
import { openVhd, vhdDriver } from '@corral/disk/vhd/driver';
import { resizeVhdFile } from '@corral/disk/vhd/resize';
import { readVhdStructure } from '@corral/disk/vhd/structure';
import { occupancy } from '@corral/disk/vhd/writer';
import { type Content, CrashFile, crashStates, loadContent, seededRandom } from './crash-file.ts';
import { DiskModel, randomSession, readTags, sectorBytes } from './crash-model.ts';
import { temporaryFolder } from './shared-samples.ts';

const KiB = 2 ** 10;
const blockBytes = 256 * KiB;
const blockSectors = blockBytes / sectorBytes;

const parent: NonNullable<CreateOptions['parent']> = {
  format: 'vhd',
  paths: [{ kind: 'relative', path: 'parent.vhd' }],
  identity: { dataWriteId: '21111111-2222-4333-8444-555555555555' },
};

const variants: readonly { readonly name: string; readonly options: CreateOptions }[] = [
  { name: 'dynamic', options: { sizeBytes: 5 * blockBytes - 8 * KiB, blockBytes } },
  { name: 'differencing', options: { sizeBytes: 5 * blockBytes, blockBytes, parent } },
];

async function newContent(options: CreateOptions): Promise<Content> {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'disk.vhd');
  await (await vhdDriver.create(path, options)).close();
  return loadContent(await readFile(path));
}

function open(content: Content, readOnly: boolean): Promise<Disk> {
  return openVhd(new CrashFile(content), { readOnly });
}

/** Opens what is left, looks for blocks that share a place, and writes a sector to see that it can go on. */
async function survivors(content: Content, check: (disk: Disk) => Promise<void>): Promise<void> {
  const file = new CrashFile(content.copy());
  const structure = await readVhdStructure(file, {});
  if (structure.dynamic) await occupancy(new BlockMap(file, structure, structure.dynamic), {});
  await check(await openVhd(file, { readOnly: true }));
  const disk = await openVhd(file, { readOnly: false });
  await disk.zero(disk.info.sizeBytes - sectorBytes, sectorBytes);
  await disk.close();
  assert.equal((await openVhd(file, { readOnly: true })).info.dirty, false);
}

for (const { name, options } of variants) {
  for (const seed of [1, 2, 3, 4]) {
    test(`${name}: every prefix of a session, with what was not flushed dropped at will (seed ${seed})`, async () => {
      const base = await newContent(options);
      const random = seededRandom(seed);
      const file = new CrashFile(base.copy());
      const disk = await openVhd(file, { readOnly: false });
      const model = new DiskModel(file, options.sizeBytes / sectorBytes);
      await randomSession(model, disk, random, { steps: 40, blockSectors });
      await disk.close();
      for (const state of crashStates(base, file.operations, random)) {
        try {
          await survivors(state.content, (left) => model.check(left, state.done));
        } catch (cause) {
          throw new Error(`seed ${seed}, after ${state.done} operations, ${state.how} of the rest`, {
            cause,
          });
        }
      }
    });
  }
}

async function filled(options: CreateOptions, seed: number): Promise<Content> {
  const file = new CrashFile(await newContent(options));
  const disk = await openVhd(file, { readOnly: false });
  const model = new DiskModel(file, options.sizeBytes / sectorBytes);
  for (const block of [4, 1, 3, 0, 2]) await model.write(disk, block * blockSectors + 3, 40);
  await randomSession(model, disk, seededRandom(seed), { steps: 10, blockSectors });
  await model.zero(disk, blockSectors, 2 * blockSectors);
  await disk.close();
  return file.content;
}

test('compacting can be cut off at any moment', async () => {
  const { options } = variants[0]!;
  const base = await filled(options, 5);
  const expected = await readTags(await open(base.copy(), true), options.sizeBytes / sectorBytes);
  const file = new CrashFile(base.copy());
  await compactVhdFile(file, {});
  assert.ok(file.length < base.length, 'nothing was compacted');
  for (const state of crashStates(base, file.operations, seededRandom(6))) {
    await survivors(state.content, async (left) => {
      assert.deepEqual(await readTags(left, options.sizeBytes / sectorBytes), expected);
    });
  }
});

test('resizing can be cut off at any moment', async () => {
  const cases = [
    { from: 5 * blockBytes - 8 * KiB, to: 5 * blockBytes - KiB },
    { from: 5 * blockBytes - 8 * KiB, to: 300 * blockBytes + KiB },
    { from: 5 * blockBytes, to: 2 * blockBytes + KiB },
  ];
  for (const { from, to } of cases) {
    const base = await filled({ ...variants[0]!.options, sizeBytes: from }, from);
    const common = Math.min(from, to) / sectorBytes;
    const expected = await readTags(await open(base.copy(), true), common);
    const file = new CrashFile(base.copy());
    await resizeVhdFile(file, to, { shrink: true });
    const seen = new Set<number>();
    for (const state of crashStates(base, file.operations, seededRandom(to))) {
      await survivors(state.content, async (left) => {
        const { sizeBytes } = left.info;
        seen.add(sizeBytes);
        assert.deepEqual(await readTags(left, common), expected);
        const tags = sizeBytes > from ? (await readTags(left, sizeBytes / sectorBytes)).slice(common) : [];
        assert.ok(tags.every((tag) => tag === 0));
      });
    }
    assert.deepEqual([...seen].sort(), [from, to].sort());
  }
});
