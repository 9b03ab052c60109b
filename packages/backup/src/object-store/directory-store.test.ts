import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rename, rm, rmdir, symlink, utimes, writeFile } from 'node:fs/promises';
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
    await store.close();
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
    await store.close();
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
    await store.close();
    assert.deepEqual(await readdir(path.join(folder, 'tmp')), ['young']);
  });
});

const gone = { code: 'repository.place-changed' };
const session = 'sessions/bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb/00000001';

/** A store in a directory that holds a config and a point, both of them known to it. */
async function withStore(work: (store: DirectoryStore, root: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const root = path.join(folder, 'repository');
    const store = new DirectoryStore(root);
    try {
      await store.put('config', Buffer.from('one of a kind'));
      await store.put(point, Buffer.from('x'));
      await store.read('config');
      await work(store, root);
    } finally {
      await store.close();
    }
  });
}

test('what stands in the place of a directory that vanished gets nothing', async () => {
  await withStore(async (store, root) => {
    await rename(root, `${root}.gone`);
    await assert.rejects(store.put(session, Buffer.from('x')), gone);
    await mkdir(root);
    await assert.rejects(store.put(session, Buffer.from('x')), gone);
    assert.ok((await store.now()) > 0);
    assert.deepEqual(await readdir(root), []);
    assert.equal((await store.read(point)).toString(), 'x', 'what is held can be read');
    await rmdir(root);
    await rename(`${root}.gone`, root);
    assert.equal(await store.put(session, Buffer.from('x')), 'stored');
  });
});

test('a directory that is lost for good is read where the same repository lies again, and not written', async () => {
  await withStore(async (store, root) => {
    await cp(root, `${root}.copy`, { recursive: true });
    await rm(root, { recursive: true });
    await assert.rejects(store.read(point), gone);
    await mkdir(root);
    await writeFile(path.join(root, 'config'), 'of another kind');
    await assert.rejects(store.read(point), gone);
    await rm(root, { recursive: true });
    await rename(`${root}.copy`, root);
    assert.equal((await store.read(point)).toString(), 'x');
    await assert.rejects(store.put(session, Buffer.from('x')), gone);
    await store.close();
    assert.equal(await store.put(session, Buffer.from('x')), 'stored', 'whoever begins anew may');
  });
});
