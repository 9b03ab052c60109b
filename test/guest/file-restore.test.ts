/** Single files out of backups, read by a helper VM. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { defaultCacheDirectory } from '@corral/image/cache-directory';
import { ensurePackageSet } from '@corral/image/debian/package-set';
import { ntfsPackages } from '@corral/image/debian/package-sets';
import { backedUp, backupOfDisks, connectedRepository } from '../support/backups.ts';
import { bootedGuest, hashInGuest, inGuest } from '../support/guests.ts';
import { succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

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

  it('is read from XFS and NTFS', async () => {
    await using host = await TestHost.start();
    const { client, data } = host;
    const disks = { xfs: await xfsWith(data, 'kept in XFS'), ntfs: await ntfsWith(data, 'kept in NTFS') };
    const backup = await backupOfDisks(host, disks);
    for (const [disk, kept] of [
      ['xfs', 'kept in XFS'],
      ['ntfs', 'kept in NTFS'],
    ] as const) {
      const target = join(data, `out-of-${disk}`);
      await succeeded(client, client.restore.getFile(backup, { disk, path: '/filé', target }));
      assert.equal(await readFile(target, 'utf8'), kept);
    }
  });
});

/** A disk file of this size, for a file system in which "filé" will hold `content`. @returns it and the file to copy */
async function diskFile(
  folder: string,
  name: string,
  bytes: number,
  content: string,
): Promise<[string, string]> {
  const disk = join(folder, `${name}.raw`);
  const source = join(folder, `${name}.content`);
  await writeFile(source, content);
  await writeFile(disk, '');
  await truncate(disk, bytes);
  return [disk, source];
}

async function xfsWith(folder: string, content: string): Promise<string> {
  const [disk, source] = await diskFile(folder, 'xfs', 320 * 2 ** 20, content);
  const prototype = join(folder, 'prototype');
  // xfs_mkfs(8), "protofile": a boot block's name, sizes, then the tree.
  await writeFile(prototype, `/dev/null\n0 0\nd--755 0 0\nfilé ---644 0 0 ${source}\n$\n`);
  await execute('mkfs.xfs', ['-q', '-p', prototype, disk]);
  return disk;
}

/** By the programs that lie in the cache beside the one that reads it in the helper. */
async function ntfsWith(folder: string, content: string): Promise<string> {
  const [disk, source] = await diskFile(folder, 'ntfs', 16 * 2 ** 20, content);
  const { folder: root } = await ensurePackageSet(ntfsPackages(defaultCacheDirectory()));
  const env = { ...process.env, LD_LIBRARY_PATH: join(root, 'lib/x86_64-linux-gnu') };
  const geometry = ['-s', '512', '-p', '0', '-H', '0', '-S', '0'];
  await execute(join(root, 'sbin/mkntfs'), ['-F', '-q', ...geometry, disk], { env });
  await execute(join(root, 'sbin/ntfscp'), ['-q', disk, source, '/filé'], { env });
  return disk;
}
