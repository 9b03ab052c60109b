import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { CachedStore } from './cached-store.ts';
import { testObjectStore } from './conformance.ts';
import { DirectoryStore } from './directory-store.ts';
import { MemoryStore } from './memory-store.ts';

async function makeCached(): Promise<{ far: MemoryStore; store: CachedStore; folder: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'corral-cache-'));
  const far = new MemoryStore();
  return { far, store: new CachedStore(far, new DirectoryStore(folder)), folder };
}

testObjectStore('cached', async () => {
  const { far, store, folder } = await makeCached();
  return {
    store,
    plant: async (name, content) => {
      far.objects.set(name, { content, modifiedAt: Date.now(), retainUntil: 0 });
    },
    dispose: () => rm(folder, { recursive: true }),
  };
});

test('pieces of the index are fetched once, as a whole', async () => {
  const { far, store, folder } = await makeCached();
  try {
    const name = `index/${'a'.repeat(64)}`;
    await store.put(name, Buffer.from('0123456789'));
    let reads = 0;
    const read = far.read.bind(far);
    far.read = async (...args) => {
      reads += 1;
      return await read(...args);
    };
    const pieces = [0, 3, 6].map((offset) => store.read(name, { offset, length: 3 }));
    assert.deepEqual((await Promise.all(pieces)).map(String), ['012', '345', '678']);
    assert.equal(reads, 1);
    await far.delete(name);
    await store.tidy();
    await assert.rejects(store.read(name, { offset: 0, length: 1 }), { code: 'repository.object-missing' });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a cache that is deleted in the middle is done without', async () => {
  const { store, folder } = await makeCached();
  const names = ['a', 'b'].map((digit) => `index/${digit.repeat(64)}`);
  for (const name of names) await store.put(name, Buffer.from('0123456789'));
  const read = async (name: string): Promise<string> =>
    String(await store.read(name, { offset: 3, length: 3 }));
  assert.equal(await read(names[0]!), '345');
  await rm(folder, { recursive: true });
  for (const name of names) assert.equal(await read(name), '345');
  await store.close();
});
