/** Single files out of backups, read by a helper VM. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { backedUp, connectedRepository } from '../support/backups.ts';
import { bootedGuest, hashInGuest, inGuest } from '../support/guests.ts';
import { succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

describe('a file in a backup', () => {
  it('is found and taken out; links that lead elsewhere are refused, and nothing is left', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await connectedRepository(client, host.data);
    await bootedGuest(client, {
      name: 'a',
      disks: [{ name: 'data', sizeBytes: 2 ** 27, filesystem: 'ext4' }],
    });
    await inGuest(
      client,
      'a',
      'cd /mnt/data && mkdir folder && dd if=/dev/urandom of="folder/a file" bs=64k count=20 && ln -s /etc/passwd out && sync',
    );
    const hash = await hashInGuest(client, 'a', '"/mnt/data/folder/a file"');
    const backup = await backedUp(client, 'a');

    const listed = await succeeded(
      client,
      client.restore.listFiles(backup, { disk: 'data', path: '/folder' }),
    );
    const { entries } = listed.output as { entries: { name: string; type: string; sizeBytes: number }[] };
    assert.deepEqual(
      entries.map(({ name, sizeBytes, type }) => [name, type, sizeBytes]),
      [['a file', 'file', 20 * 65_536]],
    );

    const target = join(host.data, 'taken-out');
    const file = { disk: 'data', path: '/folder/a file', target };
    await succeeded(client, client.restore.getFile(backup, file));
    assert.equal(
      createHash('sha256')
        .update(await readFile(target))
        .digest('hex'),
      hash,
    );
    await assert.rejects(client.restore.getFile(backup, file), { code: 'restore.exists' });

    const link = { disk: 'data', path: '/out', target: `${target}-2` };
    await assert.rejects(succeeded(client, client.restore.getFile(backup, link)), /leads out|no such file/);
    const { id } = await client.vm.show('a');
    assert.deepEqual(await readdir(join(host.data, 'vms')), [id]);
    assert.deepEqual(await readdir(join(host.data, 'run')), [id]);
  });
});
