/** A VM leaves its host as an export or as the folder that it was, and comes back. */
import assert from 'node:assert/strict';
import { chmod, cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isApiProblem } from '@corral/api/api-problem';
import type { Client } from '@corral/api/client.gen';
import { agentAnswers, bootedGuest, inGuest } from '../support/guests.ts';
import { succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

async function startedBy(client: Client, vm: string): Promise<void> {
  await succeeded(client, client.vm.start(vm));
  await agentAnswers(client, vm);
}

describe('an export', () => {
  it('brings back disks and the process that ran, as the VM that it was or as another one', async () => {
    await using host = await TestHost.start();
    const { client, data } = host;
    await bootedGuest(client, {
      name: 'a',
      disks: [{ name: 'data', sizeBytes: 2 ** 28, filesystem: 'ext4' }],
    });
    await inGuest(client, 'a', 'echo one > /mnt/data/file && sync');
    await inGuest(client, 'a', 'sleep 100000 </dev/null >/dev/null 2>&1 & echo $! > /tmp/pid');
    await succeeded(client, client.checkpoint.create('a', { name: 'first' }));
    await inGuest(client, 'a', 'echo two > /mnt/data/file && sync');
    const chain = join(data, 'chain');
    const flat = join(data, 'flat');
    await succeeded(client, client.checkpoint.export('a', 'first', { directory: chain }));
    await succeeded(client, client.checkpoint.export('a', 'first', { directory: flat, format: 'vhdx' }));
    assert.deepEqual(await readdir(join(flat, 'disks')), ['data.vhdx']);
    const { id } = await client.vm.show('a');
    await succeeded(client, client.vm.stop('a'));

    await assert.rejects(
      client.vm.register({ directory: chain }),
      (cause) => isApiProblem(cause) && cause.code === 'vm.not-registrable',
      'it is there already',
    );
    await succeeded(client, client.vm.register({ directory: flat, copy: true, newId: true, name: 'b' }));
    await succeeded(client, client.vm.delete('a', { ifMatch: '*' }));
    await succeeded(client, client.vm.register({ directory: chain }));
    assert.deepEqual([(await client.vm.show('a')).id, (await client.vm.show('a')).state], [id, 'saved']);
    await startedBy(client, 'a');
    assert.equal(await inGuest(client, 'a', 'cat /mnt/data/file && kill -0 $(cat /tmp/pid)'), 'one\n');

    await startedBy(client, 'b');
    assert.equal(await inGuest(client, 'b', 'cat /mnt/data/file'), 'one\n');
    await succeeded(client, client.vm.stop('a'));
    await succeeded(client, client.vm.delete('a', { ifMatch: '*' }));
    await assert.rejects(
      readdir(chain),
      { code: 'ENOENT' },
      'what lay in place was the VM, and is gone with it',
    );
    assert.deepEqual(await readdir(join(flat, 'disks')), ['data.vhdx'], 'what was copied stays');
  });
});

describe('the folder of a VM whose host is gone', () => {
  it('is registered in place with its checkpoints; what does not fit is reported first', async () => {
    await using old = await TestHost.start();
    await succeeded(
      old.client,
      old.client.vm.create({ name: 'a', disks: [{ name: 'data', sizeBytes: 2 ** 24 }] }),
    );
    for (const name of ['one', 'two'])
      await succeeded(old.client, old.client.checkpoint.create('a', { name }));
    const { id } = await old.client.vm.show('a');
    await using files = await temporaryFolder();
    const folder = join(files.path, 'a');
    await old.endDaemon('SIGKILL');
    await cp(join(old.data, 'vms', id), folder, { recursive: true });

    await using host = await TestHost.start();
    const { client } = host;
    const report = await client.vm.registration.check({ directory: folder });
    assert.deepEqual([report.source, report.checkpoints, report.fits], ['folder', 2, true]);
    await succeeded(client, client.vm.register({ directory: folder }));
    const { items, present } = await client.checkpoint.list('a');
    assert.deepEqual(
      items.map(({ name }) => name),
      ['one', 'two'],
    );
    assert.equal(present.parentId, items[1]?.id);
    await succeeded(client, client.checkpoint.apply('a', 'one', { present: 'discard' }));
    assert.equal((await client.checkpoint.list('a')).present.parentId, items[0]?.id);
  });

  it('is refused where a layer is missing or a path leads out of it', async () => {
    await using host = await TestHost.start();
    const { client, data } = host;
    await succeeded(client, client.vm.create({ name: 'a', disks: [{ name: 'data', sizeBytes: 2 ** 24 }] }));
    await succeeded(client, client.checkpoint.create('a', { name: 'one' }));
    await using files = await temporaryFolder();
    const folder = join(files.path, 'a');
    const { id } = await client.vm.show('a');
    await cp(join(data, 'vms', id), folder, { recursive: true });
    await succeeded(client, client.vm.delete('a', { ifMatch: '*' }));
    await rm(join(folder, 'disks', 'data.qcow2'));
    await writeFile(join(files.path, 'secret'), 'secret');
    const missing = await client.vm.registration.check({ directory: folder });
    assert.match(missing.findings[0]?.message ?? '', /data\.qcow2: the file is missing/);
    await cp(join(files.path, 'secret'), join(folder, 'disks', 'data.qcow2'));
    const garbage = await client.vm.registration.check({ directory: folder });
    assert.equal(garbage.fits, false, 'its own parser refuses it before QEMU sees it');
  });
});

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'corral-register-'));
  // A VM's user must be able to walk to its files.
  await chmod(path, 0o711);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
