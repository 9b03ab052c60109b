/** A block device of the host as the disk of a VM: it works, and what Corral cannot do with it is refused by its name. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chown, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { isApiProblem } from '@corral/api/api-problem';
import type { Client } from '@corral/api/client.gen';
import { ended, eventually, succeeded } from '../support/operations.ts';
import { bootSector, recordsOfFile, writerDiskBytes } from '../support/record-writer.ts';
import { TestHost } from '../support/test-host.ts';

const execute = promisify(execFile);
const memoryBytes = 64 * 2 ** 20;

class LoopDevice implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async over(file: string): Promise<LoopDevice> {
    const { stdout } = await execute('losetup', ['--find', '--show', file]);
    // As the system makes it, whatever a test that was cut off left.
    await chown(stdout.trim(), 0, 0);
    return new LoopDevice(stdout.trim());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await execute('losetup', ['--detach', this.path]);
  }
}

/** Refused before an operation begins, or by it: with this code, and the disk's name. */
async function refused(client: Client, code: string, request: () => ReturnType<Client['vm']['start']>) {
  try {
    const { error } = await ended(client, await request());
    assert.equal(error?.code, code);
    assert.match(error.detail ?? '', /"lun"/);
  } catch (cause) {
    if (!isApiProblem(cause)) throw cause;
    assert.equal(cause.code, code);
    assert.match(cause.message, /"lun"/);
  }
}

describe('a pass-through disk', () => {
  it('is written to by the guest, gets its rights back, and has neither checkpoints nor backups', async () => {
    await using host = await TestHost.start();
    const { client, data } = host;
    const file = join(data, 'device.raw');
    await writeFile(file, bootSector());
    await truncate(file, writerDiskBytes);
    await using device = await LoopDevice.over(file);
    const before = await stat(device.path);
    const disks = [{ name: 'lun', device: device.path }];
    await succeeded(client, client.vm.create({ name: 'a', memoryBytes, disks }));
    await succeeded(client, client.vm.start('a'));
    await eventually(
      'the guest writes to the device',
      () => recordsOfFile(device.path),
      (records) => records !== null && records >= 3,
    );

    await succeeded(client, client.vm.create({ name: 'b', memoryBytes, disks }));
    await refused(client, 'vm.device-in-use', () => client.vm.start('b'));
    await refused(client, 'chain.cannot-fork', () => client.checkpoint.create('a', { name: 'c' }));
    await refused(client, 'chain.cannot-fork', () => client.reference.create('a', { name: 'r' }));
    const path = join(data, 'vault');
    const secret = { keyFile: Buffer.alloc(32, 'k').toString('base64') };
    await succeeded(
      client,
      client.repository.create({ name: 'v', place: { kind: 'directory', path }, secret }),
    );
    await refused(client, 'backup.pass-through', () => client.backup.run('a', { repository: 'v' }));

    await succeeded(client, client.vm.stop('a'));
    await refused(client, 'vm.clone-device', () => client.vm.clone('a', { name: 'd' }));
    const after = await stat(device.path);
    assert.deepEqual([after.uid, after.gid, after.mode], [before.uid, before.gid, before.mode]);
    await succeeded(client, client.vm.start('b'));
    await succeeded(client, client.vm.stop('b'));
    for (const vm of ['a', 'b']) await succeeded(client, client.vm.delete(vm, { ifMatch: '*' }));
    assert.ok((await recordsOfFile(device.path))! >= 3, 'the content of a device stays');
  });
});
