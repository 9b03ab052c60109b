/** Disks from elsewhere, as a guest sees them. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openChain } from '@corral/disk/chain';
import { createDisk } from '@corral/disk/verbs/create-disk';
import { hashDisk } from '@corral/disk/verbs/hash-disk';
import { agentAnswers, bootedGuest, hashInGuest, inGuest } from '../support/guests.ts';
import { ended, eventually, succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const MiB = 2 ** 20;

/** A chain as Hyper-V leaves it: a base and what two checkpoints made of it. @returns the topmost file */
async function hyperVChain(folder: string): Promise<string> {
  await mkdir(folder);
  const names = ['base.vhdx', 'first.avhdx', 'second.avhdx'];
  for (const [index, name] of names.entries()) {
    const path = join(folder, name);
    const parent = index > 0 ? join(folder, names[index - 1]!) : undefined;
    await createDisk(path, { format: 'vhdx', ...(parent ? { parent } : { sizeBytes: 32 * MiB }) });
    await using disk = await openChain(path, { readOnly: false });
    for (let at = index; at < 8; at += index + 1)
      await disk.write(Buffer.alloc(70_000, index + 1), at * 4 * MiB);
  }
  return join(folder, names.at(-1)!);
}

describe('a guest on a disk from elsewhere', () => {
  it('reads what an AVHDX and its parents held, at its creation and hot-added', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const path = await hyperVChain(join(host.data, 'from-hyper-v'));
    const { sha256 } = await hashDisk(path);
    await bootedGuest(client, { name: 'a', disks: [{ name: 'cold', from: path }] });
    assert.equal(await hashInGuest(client, 'a', '/dev/vda'), sha256);
    await inGuest(client, 'a', 'dd if=/dev/zero of=/dev/vda bs=1M count=1 && sync');
    assert.equal((await hashDisk(path)).sha256, sha256, 'the source was written to');

    await succeeded(client, client.vm.disk.add('a', { name: 'hot', from: path, sizeBytes: 64 * MiB }));
    await eventually(
      'the hot-added disk is there',
      () => client.guest.exec('a', { command: ['test', '-b', '/dev/vdb'] }),
      ({ exitCode }) => exitCode === 0,
    );
    assert.equal((await inGuest(client, 'a', 'head -c 33554432 /dev/vdb | sha256sum')).split(' ')[0], sha256);
    assert.equal((await inGuest(client, 'a', 'blockdev --getsize64 /dev/vdb')).trim(), String(64 * MiB));
  });

  it('runs on a chain whose states it keeps, while one of them is merged, and goes back to another', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const path = await hyperVChain(join(host.data, 'from-hyper-v'));
    const { sha256 } = await hashDisk(path);
    await bootedGuest(client, { name: 'a', disks: [{ name: 'cold', from: path }], keepCheckpoints: true });
    const { items } = await client.checkpoint.list('a');
    assert.deepEqual(
      items.map(({ name }) => name),
      ['base', 'first'],
    );
    assert.equal(await hashInGuest(client, 'a', '/dev/vda'), sha256);
    await succeeded(client, client.checkpoint.delete('a', 'base'));
    await eventually(
      'the state that has no name any more is merged',
      async () => (await client.vm.show('a')).disks[0]!.parents.length,
      (parents) => parents === 1,
    );
    await inGuest(client, 'a', 'echo 3 > /proc/sys/vm/drop_caches');
    assert.equal(await hashInGuest(client, 'a', '/dev/vda'), sha256);

    await succeeded(client, client.checkpoint.apply('a', 'first', { present: 'discard' }));
    await succeeded(client, client.vm.start('a'));
    await agentAnswers(client, 'a');
    const first = await hashDisk(join(host.data, 'from-hyper-v', 'first.avhdx'));
    assert.equal(await hashInGuest(client, 'a', '/dev/vda'), first.sha256);
  });

  it('is linked to an image that was imported from an AVHDX', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const path = await hyperVChain(join(host.data, 'from-hyper-v'));
    await succeeded(client, client.image.import({ name: 'web', path }));
    const image = await client.image.show('web');
    assert.deepEqual([image.format, image.sizeBytes], ['qcow2', 32 * MiB]);
    await succeeded(client, client.vm.create({ name: 'a', image: 'web', linked: true }));
    const { disks } = await client.vm.show('a');
    assert.equal(disks[0]!.parents.length, 1);
    const stored = await hashDisk(disks[0]!.path, { allowedFolders: [join(host.data, 'images')] });
    assert.equal(stored.sha256, (await hashDisk(path)).sha256);
  });

  it('is not made when a parent is missing, and nothing is left of it', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const path = join(host.data, 'child.avhdx');
    await createDisk(join(host.data, 'base.vhdx'), { format: 'vhdx', sizeBytes: MiB });
    await createDisk(path, { format: 'vhdx', parent: join(host.data, 'base.vhdx') });
    await createDisk(join(host.data, 'elsewhere.vhdx'), { format: 'vhdx', sizeBytes: MiB });
    await rename(join(host.data, 'elsewhere.vhdx'), join(host.data, 'base.vhdx'));
    await assert.rejects(client.vm.create({ name: 'a', disks: [{ name: 'data', from: path }] }), {
      code: 'disk.parent-changed',
    });
    await assert.rejects(client.vm.show('a'), { code: 'vm.not-found' });
    const failed = await ended(client, await client.image.import({ name: 'b', path }));
    assert.equal(failed.error?.code, 'disk.parent-changed');
    assert.deepEqual((await client.image.list()).items, []);
  });
});
