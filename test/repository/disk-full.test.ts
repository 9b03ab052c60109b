/** A repository on a real file system that is full, at one place after the other: nothing sealed suffers, and it goes on. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { check } from '@corral/backup/check/check';
import { DirectoryStore } from '@corral/backup/object-store/directory-store';
import { prune } from '@corral/backup/prune/prune';
import { Repository } from '@corral/backup/repository';
import { assertRestores, backUp, blockBytes, inPlace, quickKey, seededRandom } from './support/sample.ts';

const execute = promisify(execFile);
const options = { ...inPlace, ...quickKey };
const volumeBytes = 8 * 2 ** 20;
const isRoot = process.getuid?.() === 0;

/** Content that does not compress, so that its size is what it takes. */
function randomDisk(blocks: number, seed: number): Buffer {
  const random = seededRandom(seed);
  const disk = Buffer.alloc(blocks * blockBytes);
  for (let at = 0; at < disk.length; at += 4) disk.writeUInt32LE(Math.floor(random() * 2 ** 32), at);
  return disk;
}

class SmallVolume implements AsyncDisposable {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async mount(): Promise<SmallVolume> {
    const folder = await mkdtemp(path.join(tmpdir(), 'corral-full-'));
    await execute('mount', ['-t', 'tmpfs', '-o', `size=${volumeBytes}`, 'tmpfs', folder]);
    return new SmallVolume(folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await execute('umount', ['-l', this.folder]);
    await rm(this.folder, { recursive: true });
  }
}

test('a full disk stops a backup wherever it strikes, and nothing else', {
  skip: !isRoot && 'needs root',
}, async () => {
  await using volume = await SmallVolume.mount();
  const place = path.join(volume.folder, 'repository');
  const filler = path.join(volume.folder, 'filler');
  const first = randomDisk(12, 1);
  const second = randomDisk(12, 2);
  await using repository = await Repository.create(new DirectoryStore(place), options);
  const one = await backUp(repository, first, { document: '{"cpus":1}' });
  const sealed = new Map([[one.id, first]]);
  let failures = 0;
  // From room for nothing to room for all but the last few objects, in steps of a page.
  for (let freeKiB = 0; freeKiB < 840; freeKiB += freeKiB < 40 || freeKiB > 760 ? 4 : 60) {
    await fill(volume.folder, filler, freeKiB * 1024);
    const made = await backUp(repository, second, { base: one }, first).catch(
      (cause: Error & { code?: string }) => {
        assert.equal(cause.code, 'repository.store', `${freeKiB} KiB free: ${cause.message}`);
        failures += 1;
        return null;
      },
    );
    if (made) sealed.set(made.id, second);
    await truncate(filler, 0);
    await assertRestores(new DirectoryStore(place), options, sealed);
    const report = await check(repository.context, { readData: true });
    assert.deepEqual([report.problems, report.harmed], [[], []], `${freeKiB} KiB free`);
    await prune(repository.context);
    if (made) break;
  }
  assert.ok(failures > 15, `only ${failures} failures: the volume is too large for the test`);
  const last = await backUp(repository, second, { base: one }, first);
  sealed.set(last.id, second);
  await assertRestores(new DirectoryStore(place), options, sealed);
  assert.deepEqual(await readdir(path.join(place, 'tmp')), [], 'no half-written file is left');
});

/** Fills the volume but for so many bytes. */
async function fill(folder: string, filler: string, freeBytes: number): Promise<void> {
  const { stdout } = await execute('df', ['--output=avail', '-B1', folder]);
  const available = Number(stdout.trim().split('\n').at(-1));
  await writeFile(filler, Buffer.alloc(Math.max(0, available - freeBytes), 'f'));
}
