import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { testObjectStore } from './conformance.ts';
import { DirectoryStore } from './directory-store.ts';
import { listAll } from './object-store.ts';

const point = 'points/aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'corral-store-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

testObjectStore('directory', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'corral-store-'));
  return {
    store: new DirectoryStore(folder),
    plant: async (name, content) => {
      await mkdir(path.join(folder, path.dirname(name)), { recursive: true });
      await writeFile(path.join(folder, name), content);
    },
    dispose: () => rm(folder, { recursive: true }),
  };
});

test('a directory is made when it is first needed', async () => {
  await withFolder(async (folder) => {
    const store = new DirectoryStore(path.join(folder, 'deep', 'down'));
    assert.deepEqual(await listAll(store, ''), []);
    await store.put('config', Buffer.from('x'));
    assert.deepEqual(await readdir(path.join(folder, 'deep', 'down', 'tmp')), []);
  });
});

test('links and pipes in the place of objects are not followed', async () => {
  await withFolder(async (folder) => {
    const store = new DirectoryStore(folder);
    await mkdir(path.join(folder, 'points'));
    await writeFile(path.join(folder, 'secret'), 'secret');
    await symlink(path.join(folder, 'secret'), path.join(folder, point));
    execFileSync('mkfifo', [path.join(folder, 'config')]);
    await symlink('/', path.join(folder, 'index'));
    assert.deepEqual(await listAll(store, ''), []);
    await assert.rejects(store.read(point), { code: 'repository.store' });
    await assert.rejects(store.read('config'), { code: 'repository.store' });
    assert.deepEqual((await store.listForeign(10)).sort(), ['config', 'index', point, 'secret'].sort());
  });
});

test('temporary files of the dead are removed when they are a day old', async () => {
  await withFolder(async (folder) => {
    const store = new DirectoryStore(folder);
    await store.put('config', Buffer.from('x'));
    await writeFile(path.join(folder, 'tmp', 'old'), 'x');
    await writeFile(path.join(folder, 'tmp', 'young'), 'x');
    const twoDaysAgo = new Date(Date.now() - 2 * 86_400e3);
    await utimes(path.join(folder, 'tmp', 'old'), twoDaysAgo, twoDaysAgo);
    await store.tidy();
    assert.deepEqual(await readdir(path.join(folder, 'tmp')), ['young']);
  });
});
