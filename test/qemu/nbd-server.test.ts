import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { test } from 'node:test';
import { NbdServer } from '@corral/nbd/nbd-server';
import { MEMORY_BLOCK, MemoryExport } from '@corral/nbd/testing/memory-export';
import { findProgram, missing, runTool } from './support/tool-process.ts';
import { type WorkDirectory, workDirectory } from './support/work-directory.ts';

const skip = missing('qemu-img', 'qemu-io');
const MIB = 2 ** 20;
const SIZE = 8 * MIB;

interface ServedDisk extends AsyncDisposable {
  readonly directory: WorkDirectory;
  readonly disk: MemoryExport;
  readonly uri: string;
  readonly errors: unknown[];
}

async function serveDisk(): Promise<ServedDisk> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await workDirectory());
  const disk = new MemoryExport(SIZE);
  const errors: unknown[] = [];
  const path = directory.file('nbd');
  stack.use(
    await NbdServer.listen({
      path,
      exports: new Map([['disk', disk]]),
      onError: (error) => errors.push(error),
    }),
  );
  const owned = stack.move();
  const uri = `nbd+unix:///disk?socket=${path}`;
  return { directory, disk, uri, errors, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

test('qemu-img reads what the server has, and sees its holes', { skip }, async () => {
  await using served = await serveDisk();
  const { disk, directory, uri } = served;
  await disk.write(MIB, randomBytes(2 * MIB));
  await disk.write(SIZE - MEMORY_BLOCK, Buffer.alloc(MEMORY_BLOCK, 7));
  const copy = directory.file('copy');
  await runTool(
    'qemu-img',
    'convert',
    '-n',
    '-f',
    'raw',
    '-O',
    'raw',
    '--target-is-zero',
    uri,
    await blank(copy),
  );
  await using file = await open(copy);
  assert.ok((await file.readFile()).equals(disk.bytes));
  const map = JSON.parse(await runTool('qemu-img', 'map', '-f', 'raw', '--output=json', uri)) as {
    start: number;
    length: number;
    data: boolean;
  }[];
  assert.deepEqual(
    map.map(({ start, length, data }) => [start, length, data]),
    [
      [0, MIB, false],
      [MIB, 2 * MIB, true],
      [3 * MIB, SIZE - 3 * MIB - MEMORY_BLOCK, false],
      [SIZE - MEMORY_BLOCK, MEMORY_BLOCK, true],
    ],
  );
  assert.deepEqual(served.errors, []);
});

async function blank(path: string): Promise<string> {
  await using file = await open(path, 'w');
  await file.truncate(SIZE);
  return path;
}

test('qemu-io writes, zeroes, discards and flushes', { skip }, async () => {
  await using served = await serveDisk();
  const commands = [
    'write -P 3 1000 100000',
    'write -z 2M 64k',
    'write -zu 3M 64k',
    'discard 0 64k',
    'flush',
  ];
  const printed = await runTool(
    'qemu-io',
    '-f',
    'raw',
    '-t',
    'none',
    ...commands.flatMap((command) => ['-c', command]),
    served.uri,
  );
  assert.doesNotMatch(printed, /failed|error/i);
  const model = Buffer.alloc(SIZE);
  model.fill(3, 65_536, 101_000);
  assert.ok(served.disk.bytes.equals(model));
  assert.ok(served.disk.flushes > 0);
  assert.deepEqual(served.errors, []);
});

test('a qcow2 image lives on an export, and is whole', { skip }, async () => {
  await using served = await serveDisk();
  await runTool('qemu-img', 'create', '-q', '-f', 'qcow2', served.uri, '4M');
  await runTool('qemu-io', '-f', 'qcow2', '-c', 'write -P 6 0 3M', '-c', 'discard 1M 1M', served.uri);
  await runTool('qemu-img', 'check', '-q', '-f', 'qcow2', served.uri);
  await runTool('qemu-io', '-f', 'qcow2', '-r', '-c', 'read -P 6 2M 1M', '-c', 'read -P 0 1M 1M', served.uri);
  assert.deepEqual(served.errors, []);
});

test('nbdinfo finds the export and its extents', { skip: missing('nbdinfo') }, async () => {
  await using served = await serveDisk();
  await served.disk.write(0, Buffer.alloc(MIB, 1));
  const info = JSON.parse(await runTool('nbdinfo', '--json', served.uri)) as {
    readonly protocol: string;
    readonly structured: boolean;
    readonly exports: readonly Readonly<Record<string, unknown>>[];
  };
  assert.equal(info.protocol, 'newstyle-fixed');
  assert.equal(info.structured, true);
  const [found] = info.exports;
  assert.equal(found?.['export-size'], SIZE);
  assert.deepEqual(found['contexts'], ['base:allocation']);
  assert.equal(found['is_read_only'], false);
  const total = JSON.parse(await runTool('nbdinfo', '--json', '--map', '--totals', served.uri)) as {
    readonly size: number;
  }[];
  assert.deepEqual(
    total.map(({ size }) => size),
    [MIB, SIZE - MIB],
  );
});

test('nbdcopy copies over several connections', { skip: missing('nbdcopy') }, async () => {
  await using served = await serveDisk();
  await served.disk.write(0, randomBytes(SIZE));
  const copy = served.directory.file('copy');
  await runTool(findProgram('nbdcopy')!, served.uri, copy);
  await using file = await open(copy);
  assert.ok((await file.readFile()).equals(served.disk.bytes));
  assert.deepEqual(served.errors, []);
});
