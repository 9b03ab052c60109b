/** Disk files that want to be more than a disk: refused through the API before any other program looks at them. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { open, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { nothingLeftOver } from '../crash/invariants.ts';
import { TestHost } from '../support/test-host.ts';
import { refusalOf } from './refusal.ts';

const execute = promisify(execFile);
const MiB = 2 ** 20;

const qemuImg = (...args: readonly string[]) => execute('qemu-img', [...args], { timeout: 60_000 });

/** Big-endian fields of a qcow2 header (QEMU's docs/interop/qcow2.txt). */
async function patch(path: string, at: number, bytes: Buffer): Promise<void> {
  await using file = await open(path, 'r+');
  await file.write(bytes, 0, bytes.length, at);
}

const u32 = (value: number): Buffer => {
  const field = Buffer.alloc(4);
  field.writeUInt32BE(value);
  return field;
};
const u64 = (value: bigint): Buffer => {
  const field = Buffer.alloc(8);
  field.writeBigUInt64BE(value);
  return field;
};

const plain = (path: string) => qemuImg('create', '-f', 'qcow2', path, '8M');

const secret = 'not for guests';

/** What it is → how it is made in a folder that holds `secret` and `base.qcow2`. */
const hostile: Readonly<Record<string, (path: string, folder: string) => Promise<unknown>>> = {
  'a backing file': (path, folder) =>
    qemuImg('create', '-f', 'qcow2', '-F', 'raw', '-b', join(folder, 'secret'), path),
  'a backing file by a relative name': (path) =>
    qemuImg('create', '-u', '-f', 'qcow2', '-F', 'raw', '-b', '../../etc/shadow', path, '8M'),
  'a backing file by json:': (path) =>
    qemuImg(
      ...['create', '-u', '-f', 'qcow2', '-F', 'raw', '-b'],
      'json:{"driver":"raw","file":{"driver":"file","filename":"/etc/shadow"}}',
      path,
      '8M',
    ),
  'a backing file over the network': (path) =>
    qemuImg('create', '-u', '-f', 'qcow2', '-F', 'raw', '-b', 'nbd://127.0.0.1:1/x', path, '8M'),
  'a data file': (path, folder) =>
    qemuImg('create', '-f', 'qcow2', '-o', `data_file=${join(folder, 'data-file')}`, path, '8M'),
  'a truncated header': async (path) => {
    await plain(path);
    await truncate(path, 40);
  },
  'an incompatible feature that nobody knows': async (path) => {
    await plain(path);
    await patch(path, 72, u64(1n << 40n));
  },
  'a size beyond all disks': async (path) => {
    await plain(path);
    await patch(path, 24, u64(1n << 62n));
  },
  'clusters of 1 TiB': async (path) => {
    await plain(path);
    await patch(path, 20, u32(40));
  },
  'a table beyond the end of the file': async (path) => {
    await plain(path);
    await patch(path, 40, u64(1n << 50n));
  },
  'a table with more entries than memory': async (path) => {
    await plain(path);
    await patch(path, 36, u32(0xffffffff));
  },
  'a version that never was': async (path) => {
    await plain(path);
    await patch(path, 4, u32(99));
  },
};

describe('foreign disk files', () => {
  let host: TestHost;
  let index = 0;
  before(async () => {
    host = await TestHost.start();
    await writeFile(join(host.data, 'secret'), secret.padEnd(MiB, '.'));
  });
  after(() => host[Symbol.asyncDispose]());

  for (const [name, make] of Object.entries(hostile)) {
    it(`${name}: neither imported nor taken for a disk`, async () => {
      const { client, data } = host;
      index += 1;
      const path = join(data, `hostile${index}.qcow2`);
      await make(path, data);
      const before = await readFile(path);
      const refusals = [
        await refusalOf(client, client.image.import({ name: 'x', path })),
        await refusalOf(client, client.image.import({ name: 'x', path, format: 'qcow2' })),
        await refusalOf(
          client,
          client.vm.create({ name: 'x', memoryBytes: 64 * MiB, disks: [{ name: 'data', from: path }] }),
        ),
      ];
      for (const { code, detail } of refusals) {
        assert.ok(code && code !== 'api.unexpected', `${code}: ${detail}`);
        assert.ok(detail.includes(path), `the file is named: ${detail}`);
      }
      assert.deepEqual(await readFile(path), before, 'it is as it was');
      await nothingLeftOver(client, data, host.daemonPid);
    });
  }

  it('a name that QEMU would take for more than a file is only a file', async () => {
    const { client } = host;
    for (const path of [
      'json:{"driver":"file","filename":"/etc/shadow"}',
      'nbd://127.0.0.1/x',
      '/dev/null',
    ]) {
      const { code } = await refusalOf(client, client.image.import({ name: 'x', path } as never));
      assert.ok(code && code !== 'api.unexpected', `${path}: ${code}`);
    }
    const odd = join(host.data, 'json:{"driver":"null-co"}');
    await writeFile(odd, Buffer.alloc(MiB, 1));
    const { id } = await client.image.import({ name: 'odd', path: odd, format: 'raw' });
    for await (const _ of client.operation.follow(id)) {
      // To its end.
    }
    const image = await client.image.show('odd');
    assert.equal(image.name, 'odd');
  });
});
