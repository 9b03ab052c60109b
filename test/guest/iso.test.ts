/** A guest that boots from a CD. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { makeBootableIso } from '../support/boot-disks.ts';
import { succeeded } from '../support/operations.ts';
import { SerialConsole } from '../support/serial-console.ts';
import { TestHost } from '../support/test-host.ts';

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
