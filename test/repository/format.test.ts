/** The repository as a whole: what goes in comes out, by two readers, from real directories, with real threads. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { check } from '@corral/backup/check/check';
import { isSound } from '@corral/backup/check/check-report';
import { copyPoints } from '@corral/backup/copy/copy';
import { addKey, listKeySlots, removeKey } from '@corral/backup/key-management';
import { DirectoryStore } from '@corral/backup/object-store/directory-store';
import { MemoryStore } from '@corral/backup/object-store/memory-store';
import { addVerification, verificationsOf } from '@corral/backup/point/verifications';
import { prune } from '@corral/backup/prune/prune';
import { previewPrune } from '@corral/backup/prune/prune-preview';
import { Repository } from '@corral/backup/repository';
import { FileSink } from '@corral/backup/restore/restore-sink';
import { deletePoint, lockPoint } from '@corral/backup/retention/point-locks';
import { tightenPolicy } from '@corral/backup/retention/policy';
import { statisticsOf } from '@corral/backup/statistics';
import fc from 'fast-check';
import { IndependentReader } from './independent-reader.ts';
import {
  backUp,
  blockBytes,
  inPlace,
  makeDisk,
  quickKey,
  restoreDisk,
  seededRandom,
  vm,
} from './support/sample.ts';

const quickArgon2 = { memoryKiB: 1024, iterations: 1, lanes: 1 };
const passphrase = { passphrase: 'correct horse battery staple' };

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'corral-repository-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Text that compresses, random bytes that do not, zeros, and a short last block. */
function mixedDisk(seed: number, blocks: number): Buffer {
  const random = seededRandom(seed);
  const disk = Buffer.alloc(blocks * blockBytes + 1536);
  for (let at = 0; at < disk.length; at += blockBytes) {
    const kind = random();
    if (kind < 0.3) continue;
    if (kind < 0.6) disk.fill(`block ${at} of ${seed} `, at, at + blockBytes);
    else for (let i = at; i < Math.min(at + blockBytes, disk.length); i += 1) disk[i] = random() * 256;
  }
  return disk;
}

for (const [title, secret] of [
  ['plain', undefined],
  ['encrypted', passphrase],
] as const) {
  test(`${title}: an independent reader restores what was backed up, pruned and changed`, async () => {
    await withFolder(async (folder) => {
      const store = new DirectoryStore(path.join(folder, 'r'));
      await using repository = await Repository.create(store, { secret, argon2: quickArgon2 });
      const first = mixedDisk(1, 80);
      const one = await backUp(repository, first);
      const second = Buffer.from(first);
      mixedDisk(2, 20).copy(second, 10 * blockBytes);
      const two = await backUp(repository, second, { base: one, document: '{"cpus":2}' }, first);
      await deletePoint(repository.context, one.id);
      await prune(repository.context, { limits: { repackBelow: 0.99 } });
      const reader = new IndependentReader(store.place, secret);
      assert.ok(reader.restore(two.id, 'disk').equals(second));
      const target = path.join(folder, 'restored');
      const opened = await repository.openPoint(two.id);
      {
        await using sink = await FileSink.create(target, second.length);
        await repository.restore(opened, 'disk', sink);
      }
      assert.ok((await readFile(target)).equals(second));
      assert.equal((await opened.document('settings')).toString(), '{"cpus":2}');
      assert.deepEqual(await readdir(path.join(store.place, 'tmp')), []);
      assert.ok(isSound(await check(repository.context, { readData: true })));
    });
  });
}

test('any sequence of writes, zeros and resizes reads back as a disk would', async () => {
  const step = fc.record({
    offset: fc.integer({ min: 0, max: 9 * blockBytes }),
    length: fc.integer({ min: 0, max: 3 * blockBytes }),
    fill: fc.integer({ min: 0, max: 3 }),
    isZero: fc.boolean(),
  });
  const round = fc.record({
    steps: fc.array(step, { maxLength: 6 }),
    sizeBytes: fc.integer({ min: 512, max: 9 * blockBytes }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 4 }), async (rounds) => {
      await using repository = await Repository.create(new MemoryStore(), inPlace);
      let model = Buffer.alloc(0);
      let base: string | undefined;
      for (const { steps, sizeBytes } of rounds) {
        const resized = Buffer.alloc(sizeBytes);
        model.copy(resized);
        model = resized;
        await using writer = await repository.beginPoint({ vm, base, disks: [{ name: 'disk', sizeBytes }] });
        for (const { offset, length, fill, isZero } of steps) {
          const end = Math.min(offset + length, sizeBytes);
          if (offset >= end) continue;
          model.fill(isZero ? 0 : fill, offset, end);
          if (isZero) await writer.zero('disk', offset, end - offset);
          else await writer.write('disk', offset, Buffer.alloc(end - offset, fill));
        }
        const point = await writer.seal({ name: 'p', consistency: 'crash' });
        base = point.id;
        assert.ok((await restoreDisk(repository, point.id)).equals(model));
        const disk = (await repository.openPoint(point.id)).disk('disk');
        const middle = Math.floor(sizeBytes / 3);
        const piece = await disk.read(middle, sizeBytes - middle);
        assert.ok(piece.equals(model.subarray(middle)));
        assert.deepEqual(await disk.matches(0, model), []);
      }
    }),
    { numRuns: 60 },
  );
});

test('an incremental stores what changed, and equal disks have equal roots', async () => {
  await using repository = await Repository.create(new MemoryStore(), inPlace);
  const disk = mixedDisk(3, 300);
  const one = await backUp(repository, disk);
  const changed = Buffer.from(disk);
  seededRandom(9);
  mixedDisk(7, 1).copy(changed, 100 * blockBytes, 0, blockBytes);
  const two = await backUp(repository, changed, { base: one }, disk);
  assert.ok(two.disks[0]!.storedBytes < 2 * blockBytes);
  assert.equal(two.disks[0]!.changedBytes, blockBytes);
  const newer = (await repository.openPoint(two.id)).disk('disk');
  const older = (await repository.openPoint(one.id)).disk('disk');
  assert.deepEqual(await Array.fromAsync(newer.changesSince(older)), [
    { offset: 100 * blockBytes, length: blockBytes },
  ]);
  const again = await backUp(repository, disk);
  assert.equal(again.disks[0]!.root, one.disks[0]!.root);
  assert.equal(again.disks[0]!.storedBytes, 0);
});

test('keys are added and removed without touching data, and the wrong ones open nothing', async () => {
  const store = new MemoryStore();
  const options = { ...inPlace, argon2: quickArgon2 };
  const repository = await Repository.create(store, { ...options, secret: passphrase });
  const point = await backUp(repository, makeDisk(2, { 0: 'a' }));
  const before = [...store.objects.keys()].filter((name) => !name.startsWith('keys/'));
  const added = await addKey(repository.context, quickKey.secret, 'file', quickArgon2);
  const { slots } = await listKeySlots(store);
  await removeKey(repository.context, slots.find(({ id }) => id !== added.id)!.id);
  assert.deepEqual(
    [...store.objects.keys()].filter((name) => !name.startsWith('keys/')),
    before,
  );
  await assert.rejects(removeKey(repository.context, added.id), { code: 'repository.last-key' });
  await assert.rejects(Repository.open(store, { ...options, secret: passphrase }), {
    code: 'repository.wrong-key',
  });
  await assert.rejects(Repository.open(store, options), { code: 'repository.key-needed' });
  await using again = await Repository.open(store, { ...options, ...quickKey });
  assert.ok((await restoreDisk(again, point.id)).equals(makeDisk(2, { 0: 'a' })));
  const open = await Repository.create(new MemoryStore(), inPlace);
  await assert.rejects(Repository.open(open.context.store, { ...options, ...quickKey }), {
    code: 'repository.not-encrypted',
  });
});

test('an encrypted store tells nothing of what it holds', async () => {
  const store = new MemoryStore();
  await using repository = await Repository.create(store, { ...inPlace, ...quickKey });
  const secretText = 'nobody but the owner reads this';
  await backUp(repository, makeDisk(3, { 1: secretText }), { name: 'confidential', document: secretText });
  for (const [name, { content }] of store.objects) {
    for (const word of [secretText, 'confidential', vm.name, vm.id]) assert.ok(!content.includes(word), name);
  }
});

test('a locked point is deleted by nobody before its time, and no call shortens a lock', async () => {
  let clock = Date.now();
  const store = new MemoryStore(() => clock);
  await using repository = await Repository.create(store, inPlace);
  const { context } = repository;
  await tightenPolicy(context, { lockDays: 3 });
  await assert.rejects(tightenPolicy(context, { lockDays: 2 }), { code: 'repository.lock-shorter' });
  const point = await backUp(repository, makeDisk(2, { 0: 'a' }));
  await assert.rejects(deletePoint(context, point.id), { code: 'repository.locked' });
  await lockPoint(context, point.id, new Date(Date.now() + 10 * 86_400e3));
  await assert.rejects(lockPoint(context, point.id, new Date()), { code: 'repository.lock-shorter' });
  // The store's clock alone does not open it, however far it runs ahead.
  clock += 100 * 86_400e3;
  await assert.rejects(deletePoint(context, point.id), { code: 'repository.locked' });
  await tightenPolicy(context, { appendOnly: true });
  await assert.rejects(prune(context), { code: 'repository.append-only' });
  await assert.rejects(tightenPolicy(context, { appendOnly: false }), { code: 'repository.append-only' });
});

test('an append-only connection deletes nothing, and its backups restore', async () => {
  const store = new MemoryStore();
  await (await Repository.create(store, inPlace)).close();
  const remove = store.delete.bind(store);
  let deletes = 0;
  store.delete = async (name) => {
    deletes += 1;
    await remove(name);
  };
  await using repository = await Repository.open(store, { ...inPlace, appendOnly: true });
  const disk = makeDisk(3, { 0: 'a' });
  const point = await backUp(repository, disk);
  assert.ok((await restoreDisk(repository, point.id)).equals(disk));
  assert.equal(deletes, 0);
  const other = await Repository.open(store, inPlace);
  await prune(other.context);
  assert.ok(![...store.objects.keys()].some((name) => name.startsWith('sessions/')));
});

test('two hosts back up at once, and both points restore', async () => {
  const store = new MemoryStore();
  await using one = await Repository.create(store, inPlace);
  await using two = await Repository.open(store, inPlace);
  const disks = [makeDisk(70, { 0: 'shared', 1: 'one' }), makeDisk(70, { 0: 'shared', 1: 'two' })];
  const points = await Promise.all([backUp(one, disks[0]!), backUp(two, disks[1]!)]);
  await using three = await Repository.open(store, inPlace);
  for (const [i, point] of points.entries())
    assert.ok((await restoreDisk(three, point.id)).equals(disks[i]!));
});

test('points are copied to a second repository under another key, incrementally', async () => {
  await using source = await Repository.create(new MemoryStore(), inPlace);
  await using target = await Repository.create(new MemoryStore(), { ...inPlace, ...quickKey });
  const first = makeDisk(70, { 0: 'a', 69: 'z' });
  const second = makeDisk(70, { 0: 'a', 1: 'b' });
  const one = await backUp(source, first, { name: 'one', document: '{}' });
  const two = await backUp(source, second, { base: one, name: 'two' }, first);
  const found = { outcome: 'passed', method: 'agent', detail: 'answered', tookMs: 1 } as const;
  await addVerification(source.context, one.id, found);
  const result = await copyPoints(source, target, [one.id, two.id]);
  assert.deepEqual(
    result.copied.map(({ source: id }) => id),
    [one.id, two.id],
  );
  const { points } = await target.points();
  assert.deepEqual(
    points.map(({ name, createdAt }) => [name, createdAt]),
    [
      [one.name, one.createdAt],
      [two.name, two.createdAt],
    ],
  );
  assert.equal(points[1]!.disks[0]!.changedBytes, 2 * blockBytes);
  assert.ok((await restoreDisk(target, points[0]!.id)).equals(first));
  assert.ok((await restoreDisk(target, points[1]!.id)).equals(second));
  await addVerification(source.context, one.id, { ...found, outcome: 'failed' });
  assert.deepEqual((await copyPoints(source, target, [one.id, two.id])).skipped, [one.id, two.id]);
  assert.deepEqual(
    await verificationsOf(target.context, points[0]!.id),
    await verificationsOf(source.context, one.id),
    'what was found is copied too, later findings with the next copy',
  );
});

test('a preview of a prune tells what the prune then frees, and writes nothing', async () => {
  const store = new MemoryStore();
  await using repository = await Repository.create(store, inPlace);
  const { context } = repository;
  const going = await backUp(repository, makeDisk(70, { 0: 'shared', 1: 'going' }));
  const staying = makeDisk(70, { 0: 'shared', 1: 'staying' });
  const kept = await backUp(repository, staying);
  const before = new Map(store.objects);
  const preview = await previewPrune(context, { without: new Set([going.id]) });
  assert.deepEqual(store.objects, before);
  assert.ok(preview.packs > 0);
  await deletePoint(context, going.id);
  const stored = packBytes(store);
  const { deletedPacks } = await prune(context);
  assert.equal(deletedPacks, preview.packs);
  // What is copied together gets a directory of its own.
  const freed = stored - packBytes(store);
  assert.ok(Math.abs(freed - preview.freedBytes) < 1_000, `${freed} freed, ${preview.freedBytes} foretold`);
  assert.ok((await restoreDisk(repository, kept.id)).equals(staying));
  assert.deepEqual(await previewPrune(context, { without: new Set() }), { packs: 0, freedBytes: 0 });
  await tightenPolicy(context, { appendOnly: true });
  const refused = previewPrune(context, { without: new Set() });
  await assert.rejects(refused, { code: 'repository.append-only' });
});

function packBytes({ objects }: MemoryStore): number {
  const packs = [...objects].filter(([name]) => name.startsWith('packs/'));
  return packs.reduce((sum, [, { content }]) => sum + content.length, 0);
}

test('statistics tell what is stored and saved', async () => {
  await using repository = await Repository.create(new MemoryStore(), inPlace);
  const disk = makeDisk(100, { 0: 'a' });
  for (let i = 0; i < 3; i += 1) await backUp(repository, disk);
  const statistics = await statisticsOf(repository.context);
  assert.equal(statistics.points, 3);
  assert.equal(statistics.logicalBytes, 3 * disk.length);
  assert.ok(statistics.storedBytes < blockBytes);
  assert.equal(statistics.savedBytes, statistics.logicalBytes - statistics.storedBytes);
});
