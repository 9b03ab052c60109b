/** A guest that boots from a CD. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { makeBootableIso } from '../support/boot-disks.ts';
import { succeeded } from '../support/operations.ts';
import { SerialConsole } from '../support/serial-console.ts';
import { TestHost } from '../support/test-host.ts';

const execute = promisify(execFile);

describe('a guest with an ISO', () => {
  it('boots it before its empty disk, and answers on the serial console', async () => {
    await using stack = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), 'corral-iso-'));
    stack.defer(() => rm(folder, { recursive: true }));
    const iso = await makeBootableIso(folder, 'console=ttyS0 quiet corral.hostname=from-iso');
    const host = stack.use(await TestHost.start());
    const { client } = host;
    const disks = [{ name: 'root', sizeBytes: 2 ** 30 }];
    await succeeded(client, client.vm.create({ name: 'a', profile: 'micro', iso, disks }));
    assert.deepEqual((await client.vm.show('a')).bootOrder, ['cdrom', 'disk:root']);
    await succeeded(client, client.vm.start('a'));

    const console = stack.use(await SerialConsole.open(client, 'a'));
    await console.until(/root@from-iso:/);
    console.type('cat /proc/cmdline; blockdev --getsize64 /dev/vda');
    await console.until(/corral\.hostname=from-iso[\s\S]*\n1073741824\r?\n/);
  });

  it('is refused when the ISO is not there, before anything is made', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const iso = join(host.data, 'missing.iso');
    await assert.rejects(client.vm.create({ name: 'a', iso }), { code: 'vm.file-missing' });
    await succeeded(client, client.vm.create({ name: 'a' }));
    await assert.rejects(client.vm.update('a', { iso }, { ifMatch: '*' }), { code: 'vm.file-missing' });
  });
});

describe('a clone of a VM with a cloud-init seed', () => {
  it('has a seed of its own, which names the clone', async () => {
    await using host = await TestHost.start();
    const { client, data } = host;
    await succeeded(client, client.vm.create({ name: 'web1', seed: { userData: '#!/bin/sh\n' } }));
    await succeeded(client, client.vm.clone('web1', { name: 'web2' }));
    const { id } = await client.vm.show('web2');
    const target = join(data, 'meta-data');
    const seed = join(data, 'vms', id, 'boot/seed.iso');
    await execute('xorriso', ['-osirrox', 'on', '-indev', seed, '-extract', '/meta-data', target]);
    assert.equal(await readFile(target, 'utf8'), `instance-id: ${id}\nlocal-hostname: web2\n`);
  });
});
