/** Repositories made to harm whoever opens them: every one is refused by name, and costs little. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { keyedHash } from '@corral/backup/crypto/blake3';
import { newSealer } from '@corral/backup/crypto/sealer';
import { sealDocument } from '@corral/backup/format/document';
import { lengthWord } from '@corral/backup/format/length-word';
import { formatTextObject } from '@corral/backup/format/text-object';
import { recordBytes, writeRecord } from '@corral/backup/index/record';
import { buildSegment, segmentName } from '@corral/backup/index/segment-format';
import { MemoryStore } from '@corral/backup/object-store/memory-store';
import { packName } from '@corral/backup/pack/pack-format';
import { type Point, pointName } from '@corral/backup/point/point';
import { type OpenOptions, Repository } from '@corral/backup/repository';
import { backUp, inPlace, makeDisk, restoreDisk } from './support/sample.ts';

const session = Buffer.alloc(16);
const damaged = { code: 'repository.object-damaged' };

async function makeRepository(): Promise<{ store: MemoryStore; repository: Repository; point: Point }> {
  const store = new MemoryStore();
  const repository = await Repository.create(store, inPlace);
  const point = await backUp(repository, makeDisk(3, { 0: 'a', 1: 'b' }));
  return { store, repository, point };
}

function replace(store: MemoryStore, name: string, content: Buffer): void {
  store.objects.set(name, { content, modifiedAt: Date.now(), retainUntil: 0 });
}

/** A point as the owner of the key could seal it, with absurd values in it. */
async function withPoint(change: (point: Record<string, unknown>) => void): Promise<() => Promise<unknown>> {
  const { store, repository, point } = await makeRepository();
  const forged = structuredClone(point) as unknown as Record<string, unknown>;
  change(forged);
  const name = pointName(point.id);
  replace(store, name, sealDocument(repository.context.keys, name, session, forged));
  return () => restoreDisk(repository, point.id);
}

test('points with absurd values are refused', async () => {
  const disk = (point: Record<string, unknown>): Record<string, unknown> => {
    return (point['disks'] as Record<string, unknown>[])[0]!;
  };
  const changes: ((point: Record<string, unknown>) => void)[] = [
    (point) => (disk(point)['sizeBytes'] = -1),
    (point) => (disk(point)['sizeBytes'] = 1e300),
    (point) => (disk(point)['sizeBytes'] = 1.5),
    (point) => (disk(point)['root'] = '../../etc/passwd'),
    (point) => (disk(point)['root'] = 'ab'),
    (point) => (point['disks'] = {}),
    (point) => (point['disks'] = null),
    (point) => (point['id'] = '00000000-0000-4000-8000-000000000000'),
    (point) => (point['createdAt'] = 'soon'),
    (point) => (point['consistency'] = 'perfect'),
    (point) => (point['notes'] = { key: 1 }),
  ];
  for (const change of changes) await assert.rejects(await withPoint(change), damaged);
});

test('a disk that claims to be huge is no reason to take memory', async () => {
  const { store, repository, point } = await makeRepository();
  const forged = { ...point, disks: [{ ...point.disks[0]!, sizeBytes: 2 ** 52 }] };
  const name = pointName(point.id);
  replace(store, name, sealDocument(repository.context.keys, name, session, forged));
  const disk = (await repository.openPoint(point.id)).disk('disk');
  await assert.rejects(disk.read(2 ** 51, 10), damaged);
});

/** Replaces what the index says of every blob by one blob of our own making. */
async function withBlob(plain: Buffer, word: (stored: number) => number): Promise<() => Promise<unknown>> {
  const { store, repository } = await makeRepository();
  const { keys } = repository.context;
  const sealer = newSealer(keys, 'P', session);
  const pack = Buffer.concat([sealer.header, plain]);
  const hash = keyedHash(keys.name, pack);
  const names = [...store.objects.keys()];
  const ids = [
    keyedHash(keys.block, Buffer.alloc(65_536, 'a')),
    keyedHash(keys.block, Buffer.alloc(65_536, 'b')),
  ];
  for (const name of names) if (name.startsWith('packs/')) store.objects.delete(name);
  replace(store, packName(hash.toString('hex')), pack);
  const records = Buffer.alloc(ids.length * recordBytes);
  const place = { pack: 0, offset: 64, word: word(plain.length) };
  for (const [at, id] of ids.sort(Buffer.compare).entries())
    writeRecord(records, at * recordBytes, id, place);
  const segment = buildSegment(keys, session, records, hash, false);
  replace(store, segmentName(segment.hash), segment.bytes);
  const again = await Repository.open(store, inPlace);
  return () => again.context.reader.read(ids[0]!, 'block');
}

test('a blob that unpacks to more than a block is refused before it takes memory', async () => {
  const bomb = zstdCompressSync(Buffer.alloc(512 * 2 ** 20));
  const before = process.memoryUsage().rss;
  await assert.rejects(await withBlob(bomb, (stored) => lengthWord(stored, true, 'block')));
  assert.ok(process.memoryUsage().rss - before < 200 * 2 ** 20);
});

test('blobs that reach past their pack, or are of another kind, are refused', async () => {
  const noise = randomBytes(300);
  await assert.rejects(await withBlob(noise, () => lengthWord(0xff_ffff, false, 'block')));
  await assert.rejects(await withBlob(noise, (stored) => lengthWord(stored, false, 'node')));
  await assert.rejects(await withBlob(noise, (stored) => lengthWord(stored, true, 'block')));
});

test('configs that ask for the impossible are refused', async () => {
  const valid = { format: 'corral-repository', version: 1, id: '11111111-2222-4333-8444-555555555555' };
  const rest = { createdAt: 'x', encryption: 'none', blockBytes: 65_536, fanOut: 64 };
  const configs: [object, string][] = [
    [{ ...valid, ...rest, version: 2 }, 'repository.version'],
    [{ ...valid, ...rest, blockBytes: 2 ** 40 }, 'repository.object-damaged'],
    [{ ...valid, ...rest, fanOut: 1 }, 'repository.object-damaged'],
    [{ ...valid, ...rest, encryption: 'rot13' }, 'repository.object-damaged'],
    [{ ...valid, ...rest, id: '../..' }, 'repository.object-damaged'],
    [{ ...rest }, 'repository.object-damaged'],
  ];
  for (const [config, code] of configs) {
    const store = new MemoryStore();
    replace(store, 'config', formatTextObject(config));
    await assert.rejects(Repository.open(store, inPlace), { code });
  }
  const store = new MemoryStore();
  replace(store, 'config', Buffer.alloc(10 * 2 ** 20, '{'));
  await assert.rejects(Repository.open(store, inPlace), damaged);
});

test('a key that would take all memory or all time is passed over', { timeout: 60_000 }, async () => {
  const store = new MemoryStore();
  const secret = { passphrase: 'correct horse battery' };
  const options: OpenOptions = { ...inPlace, secret };
  await Repository.create(store, { ...options, argon2: { memoryKiB: 1024, iterations: 1, lanes: 1 } });
  const [name, { content }] = [...store.objects].find(([key]) => key.startsWith('keys/'))!;
  const slot = JSON.parse(content.toString().split('\n')[0]!);
  for (const change of [{ memoryKiB: 2 ** 31 }, { iterations: 2 ** 31 }, { lanes: 0 }, { memoryKiB: -5 }]) {
    replace(store, name, formatTextObject({ ...slot, ...change }));
    await assert.rejects(Repository.open(store, options), { code: 'repository.wrong-key' });
  }
});

test('a key that takes more than is allowed is not even tried: it does not open what it is made for', async () => {
  const options = { ...inPlace, secret: { passphrase: 'correct horse battery' } };
  for (const argon2 of [
    { memoryKiB: 1024, iterations: 17, lanes: 1 },
    { memoryKiB: 1024, iterations: 1, lanes: 17 },
  ]) {
    const store = new MemoryStore();
    // It is opened as soon as it is made.
    await assert.rejects(Repository.create(store, { ...options, argon2 }), { code: 'repository.wrong-key' });
    assert.ok(store.objects.has('config'));
  }
});

test('a prototype cannot be reached through a document', async () => {
  const { store, repository, point } = await makeRepository();
  const name = pointName(point.id);
  const text = JSON.stringify(point).replace('"notes":{}', '"notes":{"__proto__":"polluted"}');
  replace(store, name, sealDocument(repository.context.keys, name, session, JSON.parse(text)));
  const read = await repository.point(point.id);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  assert.equal(Object.getPrototypeOf(read.notes), null);
});
