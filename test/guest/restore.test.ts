/** Backups restored: what the guest wrote is there again, wherever it is restored to. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Client } from '@corral/api/client.gen';
import { backedUp, connectedRepository } from '../support/backups.ts';
import { agentAnswers, bootedGuest, hashInGuest, inGuest } from '../support/guests.ts';
import { eventually, succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const execute = promisify(execFile);

/** A guest with a file on a disk of its own, backed up. */
async function backedUpGuest(host: TestHost): Promise<{ backup: string; hash: string }> {
  const { client } = host;
  await connectedRepository(client, host.data);
  await bootedGuest(client, { name: 'a', disks: [{ name: 'data', sizeBytes: 2 ** 28, filesystem: 'ext4' }] });
  await inGuest(client, 'a', 'dd if=/dev/urandom of=/mnt/data/file bs=64k count=256 && sync');
  const hash = await hashInGuest(client, 'a', '/mnt/data/file');
  return { backup: await backedUp(client, 'a'), hash };
}

async function startedHash(client: Client, vm: string): Promise<string> {
  await succeeded(client, client.vm.start(vm));
  await agentAnswers(client, vm);
  return await hashInGuest(client, vm, '/mnt/data/file');
}

describe('a backup', () => {
  it('becomes a second VM, with ids of its own while the first is there', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const { backup, hash } = await backedUpGuest(host);
    await succeeded(client, client.restore.vm(backup, { name: 'b' }));
    const [a, b] = [await client.vm.show('a'), await client.vm.show('b')];
    assert.notEqual(a.id, b.id);
    assert.notEqual(a.ports[0]!.mac, b.ports[0]!.mac);
    assert.equal(await startedHash(client, 'b'), hash);
  });

  it('becomes the VM that is gone, with the id that it had', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const { backup, hash } = await backedUpGuest(host);
    const before = await client.vm.show('a');
    await succeeded(client, client.vm.stop('a'));
    await succeeded(client, client.vm.delete('a', { ifMatch: '*' }));
    await succeeded(client, client.restore.vm(backup, {}));
    const after = await client.vm.show('a');
    assert.deepEqual([after.id, after.ports[0]!.mac], [before.id, before.ports[0]!.mac]);
    assert.notEqual(after.generationId, before.generationId);
    assert.equal(await startedHash(client, 'a'), hash);
  });

  it('takes the place of what the VM holds, when its name is given', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const { backup, hash } = await backedUpGuest(host);
    await inGuest(client, 'a', 'rm /mnt/data/file && touch /mnt/data/later && sync');
    await assert.rejects(client.restore.inPlace(backup, { confirm: 'a' }), { code: 'vm.illegal-state' });
    await succeeded(client, client.vm.stop('a'));
    await assert.rejects(client.restore.inPlace(backup, { confirm: 'x' }), { code: 'restore.not-confirmed' });
    await succeeded(client, client.restore.inPlace(backup, { confirm: 'a' }));
    const { id } = await client.vm.show('a');
    assert.equal((await readdir(join(host.data, 'vms', id, 'disks'))).length, 1);
    assert.equal(await startedHash(client, 'a'), hash);
    await assert.rejects(inGuest(client, 'a', 'ls /mnt/data/later'));
  });

  it('gives one disk to a VM that runs', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const { backup, hash } = await backedUpGuest(host);
    await succeeded(client, client.restore.disk(backup, { disk: 'data', vm: 'a', name: 'old' }));
    await eventually(
      'the disk is mounted',
      () => client.guest.exec('a', { command: ['grep', '-q', '/mnt/old', '/proc/mounts'] }),
      ({ exitCode }) => exitCode === 0,
    );
    assert.equal(await hashInGuest(client, 'a', '/mnt/old/file'), hash);
  });

  it('becomes files in a directory, in the format that is asked for', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const { backup } = await backedUpGuest(host);
    const directory = join(host.data, 'out');
    for (const format of ['qcow2', 'vhdx', 'raw'] as const)
      await succeeded(client, client.restore.files(backup, { directory, format, disks: ['data'] }));
    const file = (format: string): string => join(directory, 'disks', `data.${format}`);
    for (const format of ['qcow2', 'vhdx'])
      await execute('qemu-img', ['compare', '-f', format, '-F', 'raw', file(format), file('raw')]);
    await assert.rejects(
      succeeded(client, client.restore.files(backup, { directory, format: 'raw', disks: ['data'] })),
      /exists already/,
    );
  });
});
