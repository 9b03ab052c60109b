import assert from 'node:assert/strict';
import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type CopyWay, copyDiskFile } from './copy-disk-file.ts';

async function makeFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-copy-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

/** 64 MiB with data at both ends and in the middle. */
async function makeSparse(path: string): Promise<void> {
  await using file = await open(path, 'wx');
  await file.truncate(64 * 2 ** 20);
  for (const [offset, text] of [
    [0, 'first'],
    [30 * 2 ** 20 + 7, 'middle'],
    [64 * 2 ** 20 - 4, 'last'],
  ] as const) {
    await file.write(text, offset);
  }
}

for (const firstWay of ['reflink', 'copy_file_range', 'read-write'] as const satisfies CopyWay[]) {
  test(`the copy is equal and as sparse, beginning with ${firstWay}`, async (t) => {
    const folder = await makeFolder(t);
    const [source, target] = [join(folder, 'source'), join(folder, 'target')];
    await makeSparse(source);
    const result = await copyDiskFile(source, target, { firstWay });
    assert.equal(result.sizeBytes, 64 * 2 ** 20);
    assert.ok(result.copiedBytes < 2 ** 20, `copied ${result.copiedBytes}`);
    assert.ok((await readFile(target)).equals(await readFile(source)));
    assert.ok((await stat(target)).blocks * 512 < 2 ** 20);
    if (firstWay === 'read-write') assert.equal(result.way, 'read-write');
  });
}

test('an empty file and one that is all hole are copied', async (t) => {
  const folder = await makeFolder(t);
  await writeFile(join(folder, 'empty'), '');
  const empty = await copyDiskFile(join(folder, 'empty'), join(folder, 'a'), { firstWay: 'copy_file_range' });
  assert.equal(empty.sizeBytes, 0);
  {
    await using file = await open(join(folder, 'hole'), 'wx');
    await file.truncate(12_345);
  }
  const hole = await copyDiskFile(join(folder, 'hole'), join(folder, 'b'), { firstWay: 'copy_file_range' });
  assert.equal(hole.sizeBytes, 12_345);
  assert.equal(hole.copiedBytes, 0);
});

test('what is there already is not touched', async (t) => {
  const folder = await makeFolder(t);
  await writeFile(join(folder, 'source'), 'new');
  await writeFile(join(folder, 'target'), 'old');
  for (const firstWay of ['reflink', 'read-write'] as const) {
    await assert.rejects(copyDiskFile(join(folder, 'source'), join(folder, 'target'), { firstWay }), {
      code: 'EEXIST',
    });
  }
  assert.equal(await readFile(join(folder, 'target'), 'utf8'), 'old');
});

test('a copy that is cancelled leaves nothing', async (t) => {
  const folder = await makeFolder(t);
  await makeSparse(join(folder, 'source'));
  const controller = new AbortController();
  const copy = copyDiskFile(join(folder, 'source'), join(folder, 'target'), {
    firstWay: 'read-write',
    signal: controller.signal,
    progress: () => controller.abort(new Error('enough')),
  });
  await assert.rejects(copy, /enough/);
  assert.deepEqual(await readdir(folder), ['source']);
});
