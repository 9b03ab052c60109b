/** A VM is exported once, then only what changed; elsewhere it comes back from all of that together. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import type { Client } from '@corral/api/client.gen';
import { OffVm } from '../support/off-vm.ts';
import { eventually, succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const MiB = 2 ** 20;

it('an export and those that continue it make the VM that it was, and nothing else is taken for one', async () => {
  const place = await mkdtemp(join(tmpdir(), 'corral-exports-'));
  try {
    await using host = await TestHost.start();
    const { client } = host;
    await chmod(place, 0o711);
    const folder = (day: string): string => join(place, day);
    const vm = await OffVm.create(host, 'web1', 16 * MiB);
    await vm.write(0, randomBytes(8 * MiB));
    await exported(client, folder('monday'), { reference: 'monday' });

    await vm.write(3 * MiB + 1234, randomBytes(100_000));
    await vm.zero(5 * MiB, MiB);
    await succeeded(client, client.vm.disk.resize('web1', 'data', { sizeBytes: 20 * MiB }));
    await vm.write(20 * MiB - 4096, randomBytes(4096));
    await exported(client, folder('tuesday'), { since: 'monday', reference: 'tuesday' });
    await vm.write(0, randomBytes(4096));
    await succeeded(client, client.vm.disk.add('web1', { name: 'more', sizeBytes: MiB }));
    await exported(client, folder('wednesday'), { since: 'tuesday' });
    const wanted = await vm.read(0, 20 * MiB);
    const { size } = await stat(join(folder('tuesday'), 'disks', (await fileOf(folder('tuesday')))!));
    assert.ok(size < 2 * MiB, `${size} bytes for 100 KiB, a MiB of zeros and growth`);
    await succeeded(client, client.vm.delete('web1', { ifMatch: '*' }));

    const request = { directory: folder('monday'), copy: true };
    await refused(client, { directory: folder('tuesday'), copy: true }, /only what changed since/);
    await refused(client, { ...request, differentials: [folder('wednesday')] }, /another state/);
    await refused(client, { ...request, copy: false, differentials: [folder('tuesday')] }, /--copy/);
    const differentials = [folder('tuesday'), folder('wednesday')];
    await succeeded(client, client.vm.register({ ...request, differentials }));
    const back = await OffVm.of(host, 'web1');
    assert.ok((await back.read(0, 20 * MiB)).equals(wanted));
    assert.deepEqual(
      (await client.vm.show('web1')).disks.map(({ name, sizeBytes }) => [name, sizeBytes]),
      [
        ['data', 20 * MiB],
        ['more', MiB],
      ],
    );
    // QEMU reads the files as they lie on each other, too: it merges them.
    await eventually(
      'the layers are merged',
      async () => (await OffVm.of(host, 'web1')).files,
      (files) => files.length === 1,
    );
    assert.ok((await back.read(0, 20 * MiB)).equals(wanted));
  } finally {
    await rm(place, { recursive: true, force: true });
  }
});

async function exported(
  client: Client,
  directory: string,
  request: { readonly since?: string; readonly reference?: string },
): Promise<void> {
  await succeeded(client, client.vm.export('web1', { directory, ...request }));
}

async function refused(
  client: Client,
  request: Parameters<Client['vm']['register']>[0],
  reason: RegExp,
): Promise<void> {
  const report = await client.vm.registration.check(request);
  assert.equal(report.fits, false);
  assert.match(report.findings.map(({ message, fix }) => `${message} ${fix}`).join('\n'), reason);
  await assert.rejects(client.vm.register(request), { code: 'vm.not-registrable' });
}

async function fileOf(folder: string): Promise<string | undefined> {
  return (await readdir(join(folder, 'disks'))).find((name) => name.startsWith('data.'));
}
