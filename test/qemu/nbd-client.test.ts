import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import { alignExtents } from '@corral/nbd/extents';
import { NbdClient } from '@corral/nbd/nbd-client';
import { STORAGE_DAEMON, startStorage } from './support/storage.ts';
import { findProgram, missing, runTool, ToolProcess } from './support/tool-process.ts';
import { workDirectory } from './support/work-directory.ts';

const skip = missing(STORAGE_DAEMON, 'qemu-img', 'qemu-io');
const MIB = 2 ** 20;

const qcow2 =
  (...commands: readonly string[]) =>
  async (image: string): Promise<void> => {
    await runTool('qemu-img', 'create', '-q', '-f', 'qcow2', image, '64M');
    await runTool('qemu-io', '-f', 'qcow2', ...commands.flatMap((command) => ['-c', command]), image);
  };

test('a disk of QEMU is read, written, zeroed and trimmed, and QEMU reads the same', { skip }, async () => {
  await using storage = await startStorage({ prepare: qcow2('write -P 1 1M 2M') });
  await using client = await NbdClient.connect({ path: storage.socket, exportName: 'disk' });
  assert.equal(client.size, 64 * MIB);
  const model = Buffer.alloc(64 * MIB);
  model.fill(1, MIB, 3 * MIB);
  assert.ok((await client.read(0, 64 * MIB)).equals(model));
  const pattern = Buffer.from(Array.from({ length: 3_000_001 }, (_, index) => index % 251));
  await client.write(5 * MIB + 7, pattern);
  pattern.copy(model, 5 * MIB + 7);
  await client.writeZeroes(2 * MIB, 100_000, { mayTrim: false, fua: true });
  model.fill(0, 2 * MIB, 2 * MIB + 100_000);
  await client.trim(6 * MIB, MIB);
  await client.writeZeroes(6 * MIB, MIB);
  model.fill(0, 6 * MIB, 7 * MIB);
  await client.flush();
  assert.ok((await client.read(0, 64 * MIB)).equals(model));
  await client.close();
  await storage[Symbol.asyncDispose]();
});

test('what was flushed is in the image after QEMU was killed', { skip }, async () => {
  await using directory = await workDirectory();
  const copy = directory.file('copy');
  await using storage = await startStorage({ prepare: qcow2('write -P 1 0 64k') });
  await using client = await NbdClient.connect({ path: storage.socket, exportName: 'disk' });
  await client.write(10 * MIB, Buffer.alloc(MIB, 9));
  await client.flush();
  storage.process.kill('SIGKILL');
  assert.ok(isCorralError(await client.closed, 'nbd.connection-lost'));
  await storage.process.ended();
  await runTool('qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', storage.image, copy);
  assert.ok((await readFile(copy)).subarray(10 * MIB, 11 * MIB).every((byte) => byte === 9));
});

test('extents agree with qemu-img map', { skip }, async () => {
  const prepare = qcow2('write -P 1 1M 2M', 'write -z 8M 1M', 'write -P 2 20M 64k', 'discard 2M 64k');
  await using storage = await startStorage({ prepare, exportOptions: ',writable=off' });
  const contexts = ['base:allocation'];
  await using client = await NbdClient.connect({ path: storage.socket, exportName: 'disk', contexts });
  assert.equal(client.readOnly, true);
  const map = JSON.parse(
    await runTool('qemu-img', 'map', '--output=json', `nbd+unix:///disk?socket=${storage.socket}`),
  ) as { start: number; length: number; zero: boolean; data: boolean }[];
  const extents = await Array.fromAsync(client.extents('base:allocation'));
  assert.deepEqual(
    extents.map(({ offset, length, flags }) => ({ offset, length, flags })),
    map.map(({ start, length, zero, data }) => ({
      offset: start,
      length,
      flags: (data ? 0 : 1) | (zero ? 2 : 0),
    })),
  );
  const part = await Array.fromAsync(client.extents('base:allocation', { offset: MIB, length: MIB }));
  assert.deepEqual(part, [{ offset: MIB, length: MIB, flags: 0 }]);
});

test('allocation depth and dirty bitmaps are told, together with the allocation', { skip }, async () => {
  await using storage = await startStorage({
    prepare: async (image, directory) => {
      const base = directory.file('base');
      await runTool('qemu-img', 'create', '-q', '-f', 'qcow2', base, '64M');
      await runTool('qemu-io', '-f', 'qcow2', '-c', 'write -P 1 0 4M', base);
      await runTool('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', image);
      await runTool('qemu-img', 'bitmap', '--add', '-g', '64k', '-f', 'qcow2', image, 'changes');
      await runTool('qemu-io', '-f', 'qcow2', '-c', 'write -P 2 1M 1M', image);
      // QEMU does not show a bitmap on a read-only export that would still be recording.
      await runTool('qemu-img', 'bitmap', '--disable', '-f', 'qcow2', image, 'changes');
    },
    exportOptions: ',writable=off,allocation-depth=on,bitmaps.0=changes',
  });
  const contexts = ['base:allocation', 'qemu:allocation-depth', 'qemu:dirty-bitmap:changes'];
  await using client = await NbdClient.connect({ path: storage.socket, exportName: 'disk', contexts });
  assert.deepEqual(client.contexts.toSorted(), contexts);
  const joint = await Array.fromAsync(alignExtents(...contexts.map((context) => client.extents(context))));
  assert.deepEqual(joint, [
    { offset: 0, length: MIB, flags: [0, 2, 0] },
    { offset: MIB, length: MIB, flags: [0, 1, 1] },
    { offset: 2 * MIB, length: 2 * MIB, flags: [0, 2, 0] },
    { offset: 4 * MIB, length: 60 * MIB, flags: [3, 0, 0] },
  ]);
});

test('a disk larger than one request of 32 bits is walked to its end', { skip }, async () => {
  const size = 3 * 2 ** 40;
  await using storage = await startStorage({
    prepare: async (image) => {
      await runTool('qemu-img', 'create', '-q', '-f', 'qcow2', '-o', 'cluster_size=2M', image, `${size}`);
      await runTool('qemu-io', '-f', 'qcow2', '-c', `write -P 1 ${size - 2 * MIB} 2M`, image);
    },
  });
  const contexts = ['base:allocation'];
  await using client = await NbdClient.connect({ path: storage.socket, exportName: 'disk', contexts });
  assert.deepEqual(await Array.fromAsync(client.extents('base:allocation')), [
    { offset: 0, length: size - 2 * MIB, flags: 3 },
    { offset: size - 2 * MIB, length: 2 * MIB, flags: 0 },
  ]);
  assert.deepEqual(await client.read(size - 1, 1), Buffer.from([1]));
});

test('an export that fails, cannot be written or is not there says so', { skip }, async () => {
  await using directory = await workDirectory();
  const socket = directory.file('nbd');
  const fault = {
    driver: 'blkdebug',
    'node-name': 'node',
    image: { driver: 'null-co', size: MIB },
    'inject-error': [{ event: 'none', errno: 28, sector: 0, iotype: 'read' }],
  };
  await using _daemon = await ToolProcess.start(
    STORAGE_DAEMON,
    [
      ['--blockdev', JSON.stringify(fault)],
      ['--nbd-server', `addr.type=unix,addr.path=${socket}`],
      ['--export', 'type=nbd,id=export,node-name=node,name=disk'],
    ].flat(),
    socket,
  );
  await using client = await NbdClient.connect({ path: socket, exportName: 'disk' });
  assert.deepEqual(await NbdClient.listExports({ path: socket }), ['disk']);
  await assert.rejects(client.read(0, 4096), (error) => {
    assert.ok(isCorralError(error, 'nbd.request-failed'));
    assert.equal(error.params['errno'], 'ENOSPC');
    return true;
  });
  assert.equal((await client.read(65_536, 4096)).length, 4096);
  await assert.rejects(client.write(0, Buffer.alloc(1)), (error) => isCorralError(error, 'nbd.read-only'));
  await assert.rejects(NbdClient.connect({ path: socket, exportName: 'none' }), (error) =>
    isCorralError(error, 'nbd.export-missing'),
  );
});

test('qemu-nbd serves the client too', { skip: skip || missing('qemu-nbd') }, async () => {
  await using directory = await workDirectory();
  const socket = directory.file('nbd');
  const image = directory.file('disk');
  await qcow2('write -P 5 0 1M')(image);
  const args = ['--socket', socket, '--format', 'qcow2', '--persistent', '--shared', '4', image];
  await using _server = await ToolProcess.start(findProgram('qemu-nbd')!, args, socket);
  const contexts = ['base:allocation'];
  await using client = await NbdClient.connect({ path: socket, contexts });
  const hash = createHash('sha256')
    .update(await client.read(0, MIB))
    .digest('hex');
  assert.equal(hash, createHash('sha256').update(Buffer.alloc(MIB, 5)).digest('hex'));
  assert.equal((await Array.fromAsync(client.extents('base:allocation'))).length, 2);
});
