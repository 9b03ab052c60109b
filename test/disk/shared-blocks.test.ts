/** A raw disk is copied on a file system that shares blocks, and on others. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rm, stat, statfs, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { withFolder } from '@corral/disk/disk-conformance';
import { convertDisk } from '@corral/disk/verbs/convert-disk';

const execute = promisify(execFile);
const MiB = 2 ** 20;
const skip =
  process.getuid?.() !== 0 || !existsSync('/usr/sbin/mkfs.btrfs')
    ? 'needs root and mkfs.btrfs (Debian package btrfs-progs)'
    : false;

/** A volume of btrfs in a file of the folder. */
async function withBtrfs(folder: string, work: (volume: string) => Promise<void>): Promise<void> {
  const [image, volume] = [join(folder, 'image'), join(folder, 'volume')];
  await writeFile(image, '');
  await truncate(image, 256 * MiB);
  await mkdir(volume);
  await execute('mkfs.btrfs', ['-q', image]);
  await execute('mount', ['-o', 'loop', image, volume]);
  try {
    await work(volume);
  } finally {
    await execute('umount', [volume]);
    await rm(image);
  }
}

async function freeBytes(volume: string): Promise<number> {
  await execute('sync', ['-f', volume]);
  const { bavail, bsize } = await statfs(volume);
  return bavail * bsize;
}

test('a raw disk shares its blocks with its copy until either changes', { skip }, () =>
  withFolder((folder) =>
    withBtrfs(folder, async (volume) => {
      const [source, target] = [join(volume, 'source'), join(volume, 'target')];
      const content = randomFillSync(Buffer.alloc(64 * MiB + 100));
      await writeFile(source, content);
      const before = await freeBytes(volume);
      const report = await convertDisk(source, target, { source: { format: 'raw' }, format: 'raw' });
      assert.deepEqual([report.shared, report.sizeBytes], [true, content.length]);
      assert.ok(before - (await freeBytes(volume)) < 8 * MiB, 'the copy took space');
      assert.equal((await stat(target)).mode & 0o777, 0o600);
      {
        await using file = await open(source, 'r+');
        await file.write(Buffer.alloc(MiB), 0, MiB, MiB);
      }
      assert.ok(content.equals(await readFile(target)), 'the copy changed with its source');
      const fixed = { source: { format: 'raw' }, format: 'raw', variant: 'fixed' } as const;
      assert.equal((await convertDisk(source, join(volume, 'fixed'), fixed)).shared, false);
    }),
  ),
);

test('where blocks are not shared, the copy is made by reading and writing', () =>
  withFolder(async (folder) => {
    const [source, target] = [join(folder, 'source'), join(folder, 'target')];
    await writeFile(source, Buffer.alloc(MiB, 5));
    const report = await convertDisk(source, target, { source: { format: 'raw' }, format: 'raw' });
    assert.deepEqual([report.shared, report.writtenBytes], [false, MiB]);
    assert.ok((await readFile(source)).equals(await readFile(target)));
  }));
