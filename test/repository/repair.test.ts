/** Repair keeps what is sound, names each harmed backup, and leaves a repository that takes backups again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { check } from '@corral/backup/check/check';
import { repair } from '@corral/backup/check/repair';
import { MemoryStore } from '@corral/backup/object-store/memory-store';
import type { Point } from '@corral/backup/point/point';
import { prune } from '@corral/backup/prune/prune';
import { Repository } from '@corral/backup/repository';
import {
  backUp,
  blockBytes,
  inPlace,
  MemorySink,
  makeDisk,
  quickKey,
  restoreDisk,
} from './support/sample.ts';

const options = { ...inPlace, ...quickKey };
const first = makeDisk(70, { 0: 'a', 1: 'b', 69: 'c' });
const second = makeDisk(70, { 0: 'a', 1: 'changed', 69: 'c' });

interface Sample {
  readonly store: MemoryStore;
  readonly one: Point;
  readonly two: Point;
}

async function makeSample(): Promise<Sample> {
  const store = new MemoryStore();
  await using repository = await Repository.create(store, options);
  const one = await backUp(repository, first, { name: 'one' });
  const two = await backUp(repository, second, { base: one, name: 'two' }, first);
  return { store, one, two };
}

function flip(store: MemoryStore, name: string, at: number): void {
  const held = store.objects.get(name)!;
  const content = Buffer.from(held.content);
  content[at]! ^= 1;
  store.objects.set(name, { ...held, content });
}

/** The pack that holds a block of a point. */
async function packOf(
  store: MemoryStore,
  point: Point,
  block: number,
): Promise<{ name: string; offset: number }> {
  await using repository = await Repository.open(store, options);
  const id = await (await repository.openPoint(point.id)).disk('disk').blockId(block);
  const [place] = await repository.context.locate(id);
  return { name: `packs/${place!.pack.slice(0, 2)}/${place!.pack}`, offset: place!.offset };
}

test('a damaged block harms the points that hold it; the rest of its pack is salvaged', async () => {
  const { store, one, two } = await makeSample();
  const { name, offset } = await packOf(store, one, 1);
  flip(store, name, offset + 3);
  await using repository = await Repository.open(store, options);
  const report = await check(repository.context, { readData: true });
  assert.deepEqual(
    report.harmed.map(({ point }) => point),
    [one.id],
  );
  assert.deepEqual(report.harmed[0]!.streams[0]!.ranges, [{ offset: blockBytes, length: blockBytes }]);
  const result = await repair(repository.context);
  assert.deepEqual(
    result.harmed.map(({ point }) => point),
    [one.id],
  );
  assert.ok(result.salvagedBlobs > 0);
  await prune(repository.context);
  assert.ok((await restoreDisk(repository, two.id)).equals(second));
  await assert.rejects(restoreDisk(repository, one.id), { code: 'repository.blob-missing' });
  const reader = await repository.openPoint(one.id);
  const sink = new MemorySink(first.length);
  const { damaged } = await repository.restore(reader, 'disk', sink, { skipDamaged: true });
  assert.deepEqual(damaged, [{ offset: blockBytes, length: blockBytes }]);
  assert.ok(sink.content.subarray(2 * blockBytes).equals(first.subarray(2 * blockBytes)));
  // A harmed point is no base; a backup that reads the block heals the point that lost it.
  const healing = await backUp(repository, first, { base: one }, first);
  assert.equal(healing.base, null);
  assert.ok((await restoreDisk(repository, one.id)).equals(first));
});

test('a lost index is made again from the packs', async () => {
  const { store, one, two } = await makeSample();
  for (const name of store.objects.keys()) if (name.startsWith('index/')) flip(store, name, 100);
  await using repository = await Repository.open(store, options);
  await assert.rejects(restoreDisk(repository, two.id));
  const result = await repair(repository.context);
  assert.deepEqual([result.droppedSegments, result.harmed], [2, []]);
  assert.ok(result.relistedPacks > 0);
  assert.ok((await restoreDisk(repository, one.id)).equals(first));
  const report = await check(repository.context, { readData: true });
  assert.deepEqual([report.problems, report.harmed], [[], []]);
});

test('segments that are gone without a trace are made again from the packs too', async () => {
  const { store, one, two } = await makeSample();
  for (const name of [...store.objects.keys()]) if (name.startsWith('index/')) store.objects.delete(name);
  await using repository = await Repository.open(store, options);
  const result = await repair(repository.context);
  assert.ok(result.relistedPacks > 0);
  assert.deepEqual(result.harmed, []);
  assert.ok((await restoreDisk(repository, one.id)).equals(first));
  await restoreDisk(repository, two.id);
  const report = await check(repository.context, { readData: true });
  assert.deepEqual([report.problems, report.harmed], [[], []]);
});

test('a damaged state stops writing, not reading, until it is repaired', async () => {
  const { store, two } = await makeSample();
  {
    await using repository = await Repository.open(store, options);
    await backUp(repository, makeDisk(2, { 0: 'x' }));
    await prune(repository.context, { limits: { repackBelow: 2 } });
  }
  const newest = [...store.objects.keys()]
    .filter((name) => name.startsWith('states/'))
    .sort()
    .at(-1)!;
  flip(store, newest, 80);
  await using repository = await Repository.open(store, options);
  assert.ok((await restoreDisk(repository, two.id)).equals(second));
  await assert.rejects(backUp(repository, first), { code: 'repository.state-damaged' });
  await repair(repository.context);
  const next = await backUp(repository, first);
  assert.ok((await restoreDisk(repository, next.id)).equals(first));
  assert.ok((await restoreDisk(repository, two.id)).equals(second));
});

test('a point that cannot be read is removed and named; others stay', async () => {
  const { store, one, two } = await makeSample();
  flip(store, `points/${one.id}`, 200);
  await using repository = await Repository.open(store, options);
  await assert.rejects(prune(repository.context), { code: 'repository.object-damaged' });
  const result = await repair(repository.context);
  assert.deepEqual(result.removedPoints, [`points/${one.id}`]);
  await prune(repository.context);
  assert.ok((await restoreDisk(repository, two.id)).equals(second));
});

test('repair is alone', async () => {
  const { store } = await makeSample();
  await using repository = await Repository.open(store, options);
  await using other = await Repository.open(store, options);
  const writer = await other.beginPoint({ vm: { id: 'x', name: 'x' }, disks: [] });
  await assert.rejects(repair(repository.context), { code: 'repository.busy' });
  await writer.abandon();
  await repair(repository.context);
});
