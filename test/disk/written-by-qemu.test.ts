/** What QEMU writes, Corral reads, and writes to without harm: versions, counts, snapshots, bitmaps, compression. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { assertRejects } from '@corral/disk/disk-conformance';
import { inspectForeign } from '@corral/disk/inspect-foreign';
import { qcow2Driver } from '@corral/disk/qcow2/driver';
import { checkDisk } from '@corral/disk/verbs/check-disk';
import { hashDisk } from '@corral/disk/verbs/hash-disk';
import { compactDisk, resizeDisk } from '@corral/disk/verbs/resize-disk';
import { seededRandom } from '../vhdx/crash-file.ts';
import { assertClean, assertSame, qemuImg, qemuIo, withFolder } from './qemu-img.ts';

const MiB = 2 ** 20;
const format = 'qcow2';

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Commands of qemu-io: writes, zeros and discards all over a disk of 8 MiB. */
function scribble(seed: number, steps: number, zeros: boolean): readonly string[] {
  const random = seededRandom(seed);
  return Array.from({ length: steps }, () => {
    const offset = Math.floor(random() * 15_000) * 512;
    const length = Math.min(8 * MiB - offset, 512 * (1 + Math.floor(random() * 300)));
    const kind = random();
    if (!zeros || kind < 0.7) return `write -P ${1 + Math.floor(random() * 254)} ${offset} ${length}`;
    return kind < 0.85 ? `write -z ${offset} ${length}` : `discard ${offset} ${length}`;
  });
}

async function rawOf(path: string, raw: string, ...more: readonly string[]): Promise<Buffer> {
  await qemuImg('convert', '-f', 'qcow2', '-O', 'raw', ...more, path, raw);
  return await readFile(raw);
}

const shapes: readonly { readonly options: string; readonly snapshots: boolean }[] = [
  { options: 'compat=0.10', snapshots: true },
  { options: 'compat=1.1', snapshots: true },
  { options: 'compat=1.1,lazy_refcounts=on', snapshots: true },
  { options: 'cluster_size=512', snapshots: true },
  { options: 'cluster_size=2M', snapshots: true },
  { options: 'extended_l2=on,cluster_size=16k', snapshots: true },
  { options: 'extended_l2=on', snapshots: true },
  { options: 'refcount_bits=1', snapshots: false },
  { options: 'refcount_bits=2', snapshots: true },
  { options: 'refcount_bits=4', snapshots: true },
  { options: 'refcount_bits=8', snapshots: true },
  { options: 'refcount_bits=32', snapshots: true },
  { options: 'refcount_bits=64', snapshots: true },
  { options: 'preallocation=metadata', snapshots: true },
  { options: 'preallocation=falloc,extended_l2=on', snapshots: false },
];

for (const { options, snapshots } of shapes) {
  test(`${options}: read as QEMU reads it, and written to without harm to its snapshot`, () =>
    withFolder(async (folder) => {
      const path = join(folder, 'disk.qcow2');
      const raw = join(folder, 'raw');
      await qemuImg('create', '-q', '-f', 'qcow2', '-o', options, path, '8M');
      const zeros = !options.includes('0.10');
      await qemuIo('qcow2', path, ...scribble(1, 20, zeros));
      if (snapshots) await qemuImg('snapshot', '-c', 'before', path);
      await qemuIo('qcow2', path, ...scribble(2, 10, zeros));
      const content = await rawOf(path, raw);
      const kept = snapshots ? await rawOf(path, raw, '-l', 'snapshot.name=before') : undefined;
      assert.equal((await hashDisk(path)).sha256, sha256(content));
      assert.deepEqual((await checkDisk(path)).problems, []);
      {
        await using disk = await qcow2Driver.open(path, { readOnly: false });
        assert.equal((disk.info.details['snapshots'] as readonly unknown[]).length, snapshots ? 1 : 0);
        const random = seededRandom(3);
        for (let step = 0; step < 30; step += 1) {
          const offset = Math.floor(random() * 8 * MiB);
          const length = Math.min(8 * MiB - offset, 1 + Math.floor(random() * 150_000));
          const bytes = Buffer.alloc(length, random() < 0.3 ? 0 : step + 1);
          if (random() < 0.3) {
            bytes.fill(0);
            await disk.zero(offset, length);
          } else await disk.write(bytes, offset);
          bytes.copy(content, offset);
          if (step % 10 === 0) await disk.flush();
        }
      }
      await assertClean('qcow2', path);
      await writeFile(raw, content);
      await assertSame('qcow2', path, 'raw', raw);
      assert.deepEqual((await checkDisk(path)).problems, []);
      if (kept)
        assert.ok(
          (await rawOf(path, raw, '-l', 'snapshot.name=before')).equals(kept),
          'the snapshot changed',
        );
      await compactDisk(path);
      await assertClean('qcow2', path);
      await writeFile(raw, content);
      await assertSame('qcow2', path, 'raw', raw);
      if (kept)
        assert.ok(
          (await rawOf(path, raw, '-l', 'snapshot.name=before')).equals(kept),
          'the snapshot changed',
        );
    }));
}

for (const type of ['zlib', 'zstd']) {
  for (const shape of ['cluster_size=65536', 'cluster_size=4096', 'cluster_size=2M', 'extended_l2=on']) {
    test(`clusters compressed by ${type}, ${shape}`, () =>
      withFolder(async (folder) => {
        const raw = join(folder, 'raw');
        const path = join(folder, 'disk.qcow2');
        const content = Buffer.alloc(8 * MiB);
        for (let at = 0; at < 6 * MiB; at += 16) content.write(`line ${(at * 7919) % 100_003}`, at);
        await writeFile(raw, content);
        const options = `compression_type=${type},${shape}`;
        await qemuImg('convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', options, raw, path);
        assert.equal((await hashDisk(path)).sha256, sha256(content));
        assert.deepEqual((await checkDisk(path)).problems, []);
        {
          await using disk = await qcow2Driver.open(path, { readOnly: false });
          await disk.write(Buffer.from('over the edge of a cluster'), 65_536 - 5);
          content.write('over the edge of a cluster', 65_536 - 5);
          await disk.write(Buffer.alloc(200_000, 9), MiB);
          content.fill(9, MiB, MiB + 200_000);
          await disk.zero(3 * MiB + 100, 100_000);
          content.fill(0, 3 * MiB + 100, 3 * MiB + 100_100);
        }
        await assertClean('qcow2', path);
        await writeFile(raw, content);
        await assertSame('qcow2', path, 'raw', raw);
      }));
  }
}

test('a disk left dirty is read, repaired, and then written', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'disk.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', '-o', 'lazy_refcounts=on', path, '8M');
    const io = promisify(execFile)('qemu-io', [
      '-f',
      'qcow2',
      '-c',
      'write -P 7 1M 1M',
      '-c',
      'flush',
      '-c',
      'abort',
      path,
    ]);
    await assert.rejects(io);
    const content = Buffer.alloc(8 * MiB);
    content.fill(7, MiB, 2 * MiB);
    assert.equal((await hashDisk(path)).sha256, sha256(content));
    await assertRejects(() => qcow2Driver.open(path, { readOnly: false }), 'disk.needs-repair');
    const found = await checkDisk(path);
    assert.equal(found.ok, false);
    const repaired = await checkDisk(path, { repair: true });
    assert.equal(repaired.ok, true);
    assert.ok(repaired.problems.every((problem) => problem.repaired));
    await assertClean('qcow2', path);
    await (await qcow2Driver.open(path, { readOnly: false })).close();
    assert.equal((await hashDisk(path)).sha256, sha256(content));
  }));

test('bitmaps are listed and counted, dropped by a write, and keep the disk from changing its size', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'disk.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', path, '8M');
    await qemuImg('bitmap', '--add', '-g', '65536', '-f', 'qcow2', path, 'nightly');
    await qemuIo('qcow2', path, 'write -P 3 0 1M');
    assert.deepEqual((await checkDisk(path)).problems, []);
    await using disk = await qcow2Driver.open(path, { readOnly: true });
    assert.deepEqual(disk.info.details['bitmaps'], [
      { name: 'nightly', granularityBytes: 65_536, inUse: false, enabled: true },
    ]);
    await assertRejects(() => resizeDisk(path, 16 * MiB), 'disk.unsupported-feature');
    {
      await using writable = await qcow2Driver.open(path, { readOnly: false });
      await writable.write(Buffer.alloc(512, 1), 0);
    }
    const info = await qemuImg('info', '-f', 'qcow2', '--output=json', path);
    assert.ok(!info.includes('nightly'), 'QEMU still believes a bitmap that missed a write');
    const report = await checkDisk(path, { repair: true });
    assert.equal(report.ok, true);
    assert.ok(report.problems.every(({ kind }) => kind === 'leak'));
    await assertClean('qcow2', path);
  }));

test('what is not opened is refused by its name', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'disk.qcow2');
    const patch = async (offset: number, bytes: readonly number[]): Promise<void> => {
      const image = await readFile(path);
      image.set(bytes, offset);
      await writeFile(path, image);
    };
    const refused = async (pattern: RegExp): Promise<void> => {
      await assert.rejects(() => qcow2Driver.open(path, { readOnly: true }), pattern);
      await assertRejects(() => inspectForeign(path), 'disk.unsupported-feature');
    };
    // QEMU's own LUKS cannot be relied on here: it measures the processor's time and gives up on some machines.
    await qemuImg('create', '-q', '-f', 'qcow2', path, '4M');
    await patch(32, [0, 0, 0, 2]);
    await refused(/LUKS encryption/);
    await qemuImg('create', '-q', '-f', 'qcow2', '-o', `data_file=${join(folder, 'data.raw')}`, path, '4M');
    await refused(/an external data file/);
    await qemuImg('create', '-q', '-f', 'qcow2', path, '4M');
    await patch(72 + 2, [0x40]);
    await refused(/unknown incompatible features \(bit 46\)/);
  }));

test('snapshots keep the size from shrinking', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'disk.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', path, '8M');
    await qemuImg('snapshot', '-c', 'one', path);
    await assertRejects(() => resizeDisk(path, 4 * MiB, { shrink: true }), 'disk.unsupported-feature');
    await resizeDisk(path, 16 * MiB);
    await assertClean('qcow2', path);
    const copy = join(folder, 'copy.qcow2');
    await copyFile(path, copy);
    await qemuImg('snapshot', '-a', 'one', copy);
    await assertClean(format, copy);
  }));
