/** Import of disk files that QEMU's own tool made: content is kept, and what is hostile is refused. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { isCorralError } from '@corral/core/errors';
import { openChain } from '@corral/disk/chain';
import { convertDisk } from '@corral/disk/verbs/convert-disk';
import { createDisk } from '@corral/disk/verbs/create-disk';
import { hashDisk } from '@corral/disk/verbs/hash-disk';
import { inspectDisk } from '@corral/disk/verbs/inspect-disk';
import { importDisk } from '@corral/image/import/import-disk';

const execute = promisify(execFile);

const qemuImg = async (...args: readonly string[]): Promise<string> =>
  (await execute('qemu-img', [...args], { timeout: 60_000 })).stdout;

/** A folder with `target`, where the image goes. */
async function makeFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-import-'));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, 'target'));
  return folder;
}

/** 8 MiB with something at the start, in the middle and at the end. */
async function makeRaw(path: string): Promise<void> {
  await using file = await open(path, 'wx');
  await file.truncate(8 * 2 ** 20);
  await file.write('boot sector', 0);
  await file.write(Buffer.alloc(100_000, 'pattern'), 0, 100_000, 3_000_001);
  await file.write('end', 8 * 2 ** 20 - 3);
}

/** Header of qcow2 version 3 with the given fields set (docs/interop/qcow2.txt of QEMU). */
async function patchHeader(path: string, at: number, value: bigint, bytes: 4 | 8): Promise<void> {
  const field = Buffer.alloc(bytes);
  if (bytes === 8) field.writeBigUInt64BE(value);
  else field.writeUInt32BE(Number(value));
  await using file = await open(path, 'r+');
  await file.write(field, 0, bytes, at);
}

for (const [format, options] of [
  ['qcow2', []],
  ['qcow2', ['-c']],
  ['vhdx', []],
  ['vpc', ['-o', 'force_size=on']],
] as const) {
  test(`${format} ${options.join(' ')} becomes a qcow2 of the same content`, async (t) => {
    const folder = await makeFolder(t);
    const [raw, source] = [join(folder, 'raw'), join(folder, 'source')];
    await makeRaw(raw);
    await qemuImg('convert', '-f', 'raw', '-O', format, ...options, raw, source);
    const imported = await importDisk({ path: source, target: join(folder, 'target') });
    assert.equal(imported.format, 'qcow2');
    assert.equal(imported.way, 'converted');
    assert.equal(imported.sizeBytes, 8 * 2 ** 20);
    const made = join(folder, 'target/disk.qcow2');
    await qemuImg('compare', '-f', 'raw', '-F', 'qcow2', raw, made);
    await qemuImg('check', '-f', 'qcow2', made);
    const { stdout } = await execute('sha256sum', [made]);
    assert.equal(imported.sha256, stdout.split(' ')[0]);
    assert.deepEqual(await readdir(join(folder, 'target')), ['disk.qcow2']);
  });
}

test('an AVHDX becomes one qcow2 with what its parents hold', async (t) => {
  const folder = await makeFolder(t);
  const paths = [join(folder, 'base.vhdx'), join(folder, 'middle.avhdx'), join(folder, 'top.avhdx')] as const;
  const raw = join(folder, 'raw');
  await makeRaw(raw);
  await convertDisk(raw, paths[0], { source: { format: 'raw' }, format: 'vhdx' });
  for (const [index, path] of paths.slice(1).entries()) {
    await createDisk(path, { format: 'vhdx', parent: paths[index]! });
    await using disk = await openChain(path, { readOnly: false });
    await disk.write(Buffer.alloc(1000, index + 1), 2 ** 20 * (index + 1) + 77);
  }
  await importDisk({ path: paths[2], target: join(folder, 'target') });
  const made = join(folder, 'target/disk.qcow2');
  assert.equal((await hashDisk(made)).sha256, (await hashDisk(paths[2])).sha256);
  assert.equal((await inspectDisk(made)).layers.length, 1);
  await rm(paths[0]);
  const again = importDisk({ path: paths[2], target: join(folder, 'target') });
  await assert.rejects(again, (error) => isCorralError(error, 'disk.parent-missing'));
});

test('a raw file is copied, and filled up to a whole sector', async (t) => {
  const folder = await makeFolder(t);
  const source = join(folder, 'source');
  await makeRaw(source);
  await truncate(source, 8 * 2 ** 20 + 100);
  const imported = await importDisk({ path: source, format: 'raw', target: join(folder, 'target') });
  assert.equal(imported.format, 'raw');
  assert.equal(imported.sizeBytes, 8 * 2 ** 20 + 512);
  const made = await readFile(join(folder, 'target/disk.raw'));
  assert.ok(made.subarray(0, 8 * 2 ** 20).equals((await readFile(source)).subarray(0, 8 * 2 ** 20)));
  assert.equal((await stat(source)).size, 8 * 2 ** 20 + 100);
});

interface Hostile {
  readonly what: string;
  readonly make: (path: string, folder: string) => Promise<unknown>;
}

const hostile: readonly Hostile[] = [
  {
    what: 'a backing file',
    make: async (path, folder) => {
      await writeFile(join(folder, 'secret'), Buffer.alloc(2 ** 20, 's'));
      await qemuImg('create', '-q', '-f', 'qcow2', '-b', join(folder, 'secret'), '-F', 'raw', path, '1M');
    },
  },
  {
    what: 'a backing file in a json: name',
    make: (path) => {
      const name = 'json:{"driver":"raw","file":{"driver":"file","filename":"/etc/passwd"}}';
      return qemuImg('create', '-q', '-f', 'qcow2', '-u', '-b', name, '-F', 'raw', path, '1M');
    },
  },
  {
    what: 'a data file',
    make: (path, folder) =>
      qemuImg('create', '-q', '-f', 'qcow2', '-o', `data_file=${join(folder, 'data')}`, path, '1M'),
  },
  {
    what: 'an unknown incompatible feature',
    make: async (path) => {
      await qemuImg('create', '-q', '-f', 'qcow2', path, '1M');
      await patchHeader(path, 72, 1n << 40n, 8);
    },
  },
  {
    what: 'an absurd size',
    make: async (path) => {
      await qemuImg('create', '-q', '-f', 'qcow2', path, '1M');
      await patchHeader(path, 24, 2n ** 62n, 8);
    },
  },
  {
    what: 'a table of tables that is absurdly long',
    make: async (path) => {
      await qemuImg('create', '-q', '-f', 'qcow2', path, '1M');
      await patchHeader(path, 36, 0xffff_ffffn, 4);
    },
  },
  {
    what: 'a header that is cut off',
    make: async (path) => {
      await qemuImg('create', '-q', '-f', 'qcow2', path, '1M');
      await truncate(path, 60);
    },
  },
  { what: 'a VMDK', make: (path) => qemuImg('create', '-q', '-f', 'vmdk', path, '1M') },
  { what: 'no bytes', make: (path) => writeFile(path, '') },
  { what: 'a pipe', make: (path) => execute('mkfifo', [path]) },
];

for (const { what, make } of hostile) {
  test(`refused: ${what}`, async (t) => {
    const folder = await makeFolder(t);
    const path = join(folder, 'source');
    await make(path, folder);
    await assert.rejects(
      importDisk({ path, target: join(folder, 'target') }),
      (error: unknown) => isCorralError(error) && error.message.includes(path),
    );
    assert.deepEqual(await readdir(join(folder, 'target')), []);
  });
}

test('a qcow2 that is said to be raw keeps its bytes and is never opened as anything else', async (t) => {
  const folder = await makeFolder(t);
  const path = join(folder, 'source');
  await qemuImg('create', '-q', '-f', 'qcow2', '-b', '/etc/passwd', '-F', 'raw', '-u', path, '1M');
  const imported = await importDisk({ path, format: 'raw', target: join(folder, 'target') });
  assert.equal(imported.format, 'raw');
  const source = await readFile(path);
  const made = await readFile(join(folder, 'target/disk.raw'));
  assert.ok(made.subarray(0, source.length).equals(source));
});

test('an import that is cancelled leaves nothing', async (t) => {
  const folder = await makeFolder(t);
  const [raw, source] = [join(folder, 'raw'), join(folder, 'source')];
  await makeRaw(raw);
  await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', raw, source);
  const controller = new AbortController();
  const work = importDisk({
    path: source,
    target: join(folder, 'target'),
    signal: controller.signal,
    progress: () => controller.abort(new Error('enough')),
  });
  await assert.rejects(work, /enough/);
  assert.deepEqual(await readdir(join(folder, 'target')), []);
});
