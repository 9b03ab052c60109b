/** A point from readable disks in one call, and random reads of it: straight, and by NBD. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { MemoryStore } from '@corral/backup/object-store/memory-store';
import type { Point } from '@corral/backup/point/point';
import { addVerification, newestVerifications, verificationsOf } from '@corral/backup/point/verifications';
import { type DiskSource, type SourceExtent, writePoint } from '@corral/backup/point/write-point';
import { prune } from '@corral/backup/prune/prune';
import { Repository } from '@corral/backup/repository';
import { deletePoint } from '@corral/backup/retention/point-locks';
import { NbdClient } from '@corral/nbd/nbd-client';
import { NbdServer } from '@corral/nbd/nbd-server';
import { blockBytes, inPlace, makeDisk, quickKey, restoreDisk, seededRandom, vm } from './support/sample.ts';

const details = () => ({ name: 'point', consistency: 'crash' as const, frozenMs: 12 });

/** Tells all non-zero blocks, or those that differ from `before`; counts what is read. */
class MemorySource implements DiskSource {
  readonly name = 'disk';
  readonly #disk: Buffer;
  readonly #before: Buffer | undefined;
  readBytes = 0;
  sinceSeen: string | null | undefined;

  constructor(disk: Buffer, before?: Buffer) {
    this.#disk = disk;
    this.#before = before;
  }

  get sizeBytes(): number {
    return this.#disk.length;
  }

  *extents(since: string | null): Iterable<SourceExtent> {
    this.sinceSeen = since;
    const zero = Buffer.alloc(blockBytes);
    for (let offset = 0; offset < this.#disk.length; offset += blockBytes) {
      const block = this.#disk.subarray(offset, offset + blockBytes);
      const isZero = block.equals(zero.subarray(0, block.length));
      const isSame = since !== null && this.#before?.subarray(offset, offset + blockBytes).equals(block);
      if (!isSame && !(since === null && isZero)) yield { offset, length: block.length, isZero };
    }
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.readBytes += length;
    return this.#disk.subarray(offset, offset + length);
  }
}

const first = makeDisk(40, { 0: 'a', 3: 'bb', 17: 'c', 39: 'd' }, 512);
const second = makeDisk(40, { 0: 'a', 4: 'new', 17: 'changed', 39: 'd' }, 512);

async function twoPoints(repository: Repository): Promise<[Point, Point]> {
  const one = await writePoint(repository, { vm, disks: [new MemorySource(first)], details });
  const disks = [new MemorySource(second, first)];
  return [one, await writePoint(repository, { vm, base: one.id, disks, details })];
}

test('an incremental reads what its source names, zeros not at all, and is a full to restore from', async () => {
  const store = new MemoryStore();
  await using repository = await Repository.create(store, { ...inPlace, ...quickKey });
  const documents = [{ name: 'tpm/state', content: Buffer.from('sealed') }];
  const one = await writePoint(repository, { vm, disks: [new MemorySource(first)], documents, details });
  const source = new MemorySource(second, first);
  let told = 0;
  const onRead = (_disk: string, bytes: number): void => {
    told += bytes;
  };
  const two = await writePoint(repository, { vm, base: one.id, disks: [source], details, onRead });
  assert.equal(source.sinceSeen, one.id);
  assert.equal(two.base, one.id);
  // Block 3 became zero: it changed and is not read.
  assert.deepEqual([source.readBytes, told], [2 * blockBytes, 2 * blockBytes]);
  const [disk] = two.disks;
  assert.equal(disk?.readBytes, 2 * blockBytes);
  assert.ok((await restoreDisk(repository, one.id)).equals(first));
  assert.ok((await restoreDisk(repository, two.id)).equals(second));
  await using open = await repository.holdPoint(one.id);
  assert.equal((await open.document('tpm/state')).toString(), 'sealed');
});

test('a base that is gone makes a full read, and says so to the source', async () => {
  await using repository = await Repository.create(new MemoryStore(), inPlace);
  const source = new MemorySource(first);
  const base = '99999999-2222-4333-8444-555555555555';
  const point = await writePoint(repository, { vm, base, disks: [source], details });
  assert.equal(source.sinceSeen, null);
  assert.equal(point.base, null);
  assert.ok((await restoreDisk(repository, point.id)).equals(first));
});

test('a source that fails, or a cancel, leaves no point and no session', async () => {
  const store = new MemoryStore();
  await using repository = await Repository.create(store, inPlace);
  const failing: DiskSource = {
    name: 'disk',
    sizeBytes: first.length,
    extents: () => [{ offset: 0, length: first.length }],
    read: async (offset) => {
      if (offset > 0) throw new Error('the disk is gone');
      return first.subarray(0, 2 ** 20);
    },
  };
  await assert.rejects(writePoint(repository, { vm, disks: [failing], details }), /the disk is gone/);
  const cancel = new AbortController();
  const cancelling: DiskSource = {
    ...failing,
    read: async (offset, length) => {
      cancel.abort(new Error('enough'));
      return first.subarray(offset, offset + length);
    },
  };
  const options = { vm, disks: [cancelling], details, signal: cancel.signal };
  await assert.rejects(writePoint(repository, options), /enough/);
  assert.deepEqual(
    [...store.objects.keys()].filter((name) => /^(points|sessions)\//.test(name)),
    [],
  );
});

test('a held point reads anywhere, in any size, though it is deleted and pruned meanwhile', async () => {
  const store = new MemoryStore();
  await using repository = await Repository.create(store, { ...inPlace, ...quickKey });
  const [one] = await twoPoints(repository);
  await using held = await repository.holdPoint(one.id);
  await using other = await Repository.open(store, { ...inPlace, ...quickKey });
  await deletePoint(other.context, one.id);
  await prune(other.context);
  await prune(other.context);
  const disk = held.disk('disk');
  const random = seededRandom(5);
  const reads = Array.from({ length: 200 }, async () => {
    const offset = Math.floor(random() * first.length);
    const length = Math.min(first.length - offset, 1 + Math.floor(random() * 3 * blockBytes));
    assert.ok((await disk.read(offset, length)).equals(first.subarray(offset, offset + length)));
  });
  await Promise.all(reads);
});

test('a disk of a point is served by NBD, holes and all', async (t: TestContext) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'corral-point-export-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await using repository = await Repository.create(new MemoryStore(), inPlace);
  const [, two] = await twoPoints(repository);
  await using held = await repository.holdPoint(two.id);
  const socket = path.join(folder, 'nbd.sock');
  const exports = new Map([['disk', held.export('disk')]]);
  const onError = (error: unknown): void => assert.fail(String(error));
  await using _server = await NbdServer.listen({ path: socket, exports, onError });
  await using client = await NbdClient.connect({
    path: socket,
    exportName: 'disk',
    contexts: ['base:allocation'],
  });
  assert.equal(client.size, second.length);
  assert.ok((await client.read(4096, 4096)).equals(second.subarray(4096, 8192)));
  const whole = await client.read(0, second.length);
  assert.ok(whole.equals(second));
  const data: number[] = [];
  for await (const { offset, flags } of client.extents('base:allocation')) if (flags === 0) data.push(offset);
  assert.deepEqual(
    data,
    [0, 4, 17, 39].map((block) => block * blockBytes),
  );
});

test('verifications are added beside a point that never changes, and go with it', async () => {
  const store = new MemoryStore();
  await using repository = await Repository.create(store, { ...inPlace, ...quickKey });
  const { context } = repository;
  const [one] = await twoPoints(repository);
  const before = store.objects.get(`points/${one.id}`)?.content;
  const failed = { outcome: 'failed', method: 'agent', detail: 'no answer in 60 s', tookMs: 60_000 } as const;
  await addVerification(context, one.id, failed);
  const screenshot = Buffer.from('a picture');
  await addVerification(context, one.id, { ...failed, outcome: 'passed', screenshot });
  const found = await verificationsOf(context, one.id);
  assert.deepEqual(
    found.map(({ outcome }) => outcome),
    ['failed', 'passed'],
  );
  assert.equal(found[1]?.screenshot, screenshot.toString('base64'));
  assert.equal((await newestVerifications(context)).get(one.id)?.outcome, 'passed');
  assert.equal(store.objects.get(`points/${one.id}`)?.content, before);
  await deletePoint(context, one.id);
  assert.deepEqual(await verificationsOf(context, one.id), []);
});
