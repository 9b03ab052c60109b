/** Single files out of backups, read by a helper VM. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { backedUp, connectedRepository } from '../support/backups.ts';
import { bootedGuest, hashInGuest, inGuest, microImage } from '../support/guests.ts';
import { succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';
import { samplesMissing, unpack } from '../vhdx/shared-samples.ts';

const execute = promisify(execFile);

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

  it('is read from a partition that Windows made', { skip: samplesMissing }, async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const windows = await unpack('dfvfs/ntfs-dynamic.vhdx.gz', join(host.data, 'windows'));
    const backup = await backupOf(host, windows);

    assert.deepEqual(await listed(client, backup, '/1'), [
      ['System Volume Information', 'directory'],
      ['a_directory', 'directory'],
      ['a_link', 'link'],
      ['passwords.txt', 'file'],
    ]);
    const target = join(host.data, 'taken-out');
    await succeeded(
      client,
      client.restore.getFile(backup, { disk: 'data', path: '/1/passwords.txt', target }),
    );
    assert.match(await readFile(target, 'utf8'), /^place,user,password \r\nbank,joesmith,/);
  });

  it('is read from XFS', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const disk = join(host.data, 'xfs.raw');
    const prototype = join(host.data, 'prototype');
    const content = join(host.data, 'content');
    await writeFile(content, 'kept in XFS');
    // xfs_mkfs(8), "protofile": a boot block's name, sizes, then the tree.
    await writeFile(prototype, `/dev/null\n0 0\nd--755 0 0\nfile ---644 0 0 ${content}\n$\n`);
    await writeFile(disk, '');
    await truncate(disk, 320 * 2 ** 20);
    await execute('mkfs.xfs', ['-q', '-p', prototype, disk]);
    const backup = await backupOf(host, disk);

    const target = join(host.data, 'taken-out');
    await succeeded(client, client.restore.getFile(backup, { disk: 'data', path: '/file', target }));
    assert.equal(await readFile(target, 'utf8'), 'kept in XFS');
  });
});

/** A backup of a VM that is off and has this disk as "data". */
async function backupOf({ client, data }: TestHost, disk: string): Promise<string> {
  await connectedRepository(client, data);
  await microImage(client);
  await succeeded(
    client,
    client.vm.create({ name: 'a', image: 'micro', disks: [{ name: 'data', from: disk }] }),
  );
  return await backedUp(client, 'a');
}

async function listed(client: TestHost['client'], backup: string, path: string): Promise<[string, string][]> {
  const { output } = await succeeded(client, client.restore.listFiles(backup, { disk: 'data', path }));
  const { entries } = output as { entries: { name: string; type: string }[] };
  return entries.map(({ name, type }) => [name, type]);
}
