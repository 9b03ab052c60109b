/** What every store must do. Each implementation's test calls this with a way to make an empty one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listAll, type ObjectStore, readInto } from './object-store.ts';

export interface StoreUnderTest {
  readonly store: ObjectStore;
  /** Puts something there that is no repository's, past the store's own checks. */
  plant(name: string, content: Buffer): Promise<void>;
  dispose(): Promise<void>;
}

const pointA = 'points/aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';
const pointB = 'points/bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb';
const pack = `packs/0f/0f${'e'.repeat(62)}`;
const content = Buffer.from('what was put is what is read');

export function testObjectStore(title: string, make: () => Promise<StoreUnderTest>): void {
  const run = (what: string, work: (made: StoreUnderTest) => Promise<void>): void => {
    test(`${title}: ${what}`, async () => {
      const made = await make();
      try {
        await work(made);
      } finally {
        await made.store.close();
        await made.dispose();
      }
    });
  };

  run('reads whole objects and ranges, those past the end too', async ({ store }) => {
    assert.equal(await store.put(pack, content), 'stored');
    assert.deepEqual(await store.read(pack), content);
    assert.deepEqual(await store.read(pack, { offset: 5, length: 3 }), content.subarray(5, 8));
    assert.deepEqual(await store.read(pack, { offset: 20, length: 1000 }), content.subarray(20));
    assert.equal((await store.read(pack, { offset: 1000, length: 10 })).length, 0);
    assert.equal((await store.read(pack, { offset: 3, length: 0 })).length, 0);
    const target = Buffer.alloc(10);
    assert.equal(await readInto(store, pack, 4, target), 10);
    assert.deepEqual(target, content.subarray(4, 14));
    assert.equal(await readInto(store, pack, content.length - 2, target), 2);
  });

  run('holds empty objects and large ones', async ({ store }) => {
    const large = Buffer.alloc(9 * 2 ** 20, 'large');
    await store.put(pointA, Buffer.alloc(0));
    await store.put(pack, large);
    assert.equal((await store.read(pointA)).length, 0);
    assert.ok((await store.read(pack)).equals(large));
  });

  run('takes memory that is shared and changes afterwards', async ({ store }) => {
    const shared = Buffer.from(new SharedArrayBuffer(64)).fill(1);
    await store.put(pack, shared);
    shared.fill(2);
    assert.deepEqual(await store.read(pack), Buffer.alloc(64, 1));
  });

  run('puts only where nothing is', async ({ store }) => {
    assert.equal(await store.put(pointA, content), 'stored');
    assert.equal(await store.put(pointA, Buffer.from('another')), 'exists');
    assert.deepEqual(await store.read(pointA), content);
  });

  run('lets one of many win that put at once', async ({ store }) => {
    const all = Array.from({ length: 8 }, (_, i) => store.put(pointA, Buffer.from(`writer ${i}`)));
    const outcomes = await Promise.all(all);
    const winners = outcomes.flatMap((outcome, i) => (outcome === 'stored' ? [i] : []));
    assert.equal(winners.length, 1);
    assert.equal((await store.read(pointA)).toString(), `writer ${winners[0]}`);
  });

  run('says which object is missing', async ({ store }) => {
    await assert.rejects(store.read(pointA), { code: 'repository.object-missing', params: { name: pointA } });
    await assert.rejects(store.read(pointA, { offset: 0, length: 4 }), { code: 'repository.object-missing' });
  });

  run('lists by prefix, with sizes and times', async ({ store }) => {
    await store.put('config', content);
    await store.put(pointA, content);
    await store.put(pointB, content.subarray(0, 4));
    await store.put(pack, content);
    const points = (await listAll(store, 'points/')).sort((a, b) => (a.name < b.name ? -1 : 1));
    assert.deepEqual(
      points.map(({ name, sizeBytes }) => [name, sizeBytes]),
      [
        [pointA, content.length],
        [pointB, 4],
      ],
    );
    assert.deepEqual((await listAll(store, '')).map(({ name }) => name).sort(), [
      'config',
      pack,
      pointA,
      pointB,
    ]);
    assert.deepEqual(await listAll(store, 'locks/'), []);
    const now = await store.now();
    for (const { modifiedAt } of points) assert.ok(Math.abs(now - modifiedAt) < 120e3);
  });

  run('lists more than one page', async ({ store }) => {
    const names = Array.from({ length: 25 }, (_, i) => `states/${String(i).padStart(10, '0')}`);
    for (const name of names) await store.put(name, content);
    assert.deepEqual((await listAll(store, 'states/')).map(({ name }) => name).sort(), names);
  });

  run('deletes, and what is not there too', async ({ store }) => {
    await store.put(pointA, content);
    await store.delete(pointA);
    await store.delete(pointA);
    await assert.rejects(store.read(pointA), { code: 'repository.object-missing' });
    assert.deepEqual(await listAll(store, ''), []);
    assert.equal(await store.put(pointA, content), 'stored');
  });

  run('keeps to the names of a repository', async ({ store, plant }) => {
    await plant('packs/0f/readme.txt', content);
    await plant('stranger', content);
    assert.deepEqual(await listAll(store, ''), []);
    assert.deepEqual((await store.listForeign(10)).sort(), ['packs/0f/readme.txt', 'stranger']);
    for (const name of [
      '../outside',
      'points/../config',
      `packs/00/0f${'e'.repeat(62)}`,
      'config/',
      '',
      '/config',
    ]) {
      await assert.rejects(store.put(name, content), { code: 'repository.foreign-name' });
      await assert.rejects(store.read(name), { code: 'repository.foreign-name' });
      await assert.rejects(store.delete(name), { code: 'repository.foreign-name' });
    }
  });

  run('stops when it is told to', async ({ store }) => {
    const signal = AbortSignal.abort();
    await assert.rejects(store.put(pointA, content, { signal }));
    await assert.rejects(store.read(pointA, undefined, signal), (cause: Error & { code?: unknown }) => {
      return cause.code !== 'repository.object-missing';
    });
  });

  run('retains where it says that it can', async ({ store }) => {
    if (!store.canRetain) return;
    await store.put(pack, content, { retainUntil: new Date(Date.now() + 3600e3) });
    await assert.rejects(store.delete(pack), { code: 'repository.store' });
    assert.deepEqual(await store.read(pack), content);
    await store.put(pointA, content);
    await store.retain(pointA, new Date(Date.now() + 3600e3));
    await assert.rejects(store.delete(pointA), { code: 'repository.store' });
  });
}
