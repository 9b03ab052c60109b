/** A merge that runs out of space stops, says how much is missing, and leaves a chain that reads as before. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Client } from '@corral/api/client.gen';
import type { Operation } from '@corral/api/schemas/operation';
import { openLayer } from '@corral/disk/drivers';
import { MountedFileSystem } from '../support/file-systems.ts';
import { eventually, succeeded } from '../support/operations.ts';
import { contentOf, presentDisk } from '../support/record-writer.ts';
import { TestHost } from '../support/test-host.ts';

const MiB = 2 ** 20;

async function fill(folder: string, fromMiB: number, count: number, value: number): Promise<void> {
  const { path, format } = presentDisk(folder)!;
  await using layer = await openLayer(join(folder, path), { format, readOnly: false });
  for (let at = 0; at < count; at += 1) await layer.write(Buffer.alloc(MiB, value), (fromMiB + at) * MiB);
  await layer.flush();
}

const merges = async (client: Client): Promise<Operation[]> =>
  (await client.operation.list({})).items.filter(({ kind }) => kind === 'vm.merge');

const mergesEnded = (client: Client, atLeast: number): Promise<Operation[]> =>
  eventually(
    'the merge has ended',
    () => merges(client),
    (all) => all.length >= atLeast && all.every(({ finishedAt }) => finishedAt !== null),
  );

describe('a merge on a volume that is nearly full', () => {
  it('is refused before it begins, or stops, with figures; the chain is whole, and it is done when there is space', {
    timeout: 120_000,
  }, async () => {
    await using mounted = await MountedFileSystem.mount('tmpfs', 320 * MiB);
    await using host = await TestHost.start();
    const { client } = host;
    await succeeded(client, client.volume.add({ name: 'v', path: mounted.path }));
    const disks = [{ name: 'data', sizeBytes: 128 * MiB }];
    await succeeded(client, client.vm.create({ name: 'a', volume: 'v', disks }));
    const { id } = await client.vm.show('a');
    const folder = join(host.data, 'vms', id);
    await fill(folder, 0, 20, 1);
    await succeeded(client, client.checkpoint.create('a', { name: 'one' }));
    await fill(folder, 10, 80, 2);
    await succeeded(client, client.checkpoint.create('a', { name: 'two' }));
    const content = await contentOf(folder, presentDisk(folder)!);

    const freeBytes = async (): Promise<number> => {
      const { bavail, bsize } = await statfs(mounted.path);
      return bavail * bsize;
    };
    const filler = join(mounted.path, 'filler');
    const leave = async (bytes: number) =>
      writeFile(filler, Buffer.alloc(Math.max(0, (await freeBytes()) - bytes)));
    await leave(60 * MiB);
    await succeeded(client, client.checkpoint.delete('a', 'one'));
    const [refused] = await mergesEnded(client, 1);
    assert.equal(refused?.error?.code, 'volume.below-reserve');
    assert.match(refused.error.detail ?? '', /A merge of .* needs 80\.\d MiB on volume "v", which has /);

    // There is room when it begins and none when the copying does: the daemon is away in between.
    await rm(filler);
    await host.arm('vm.merge/begin/after=kill-daemon');
    // The daemon dies before it answers, or after it.
    const taken = client.checkpoint.create('a', { name: 'three' }).catch(() => null);
    await host.daemonEnded();
    await taken;
    await leave(40 * MiB);
    await host.startDaemon();
    const [stopped] = await mergesEnded(client, 2);
    assert.equal(stopped?.error?.code, 'chain.merge-no-space');
    assert.match(
      stopped.error.detail ?? '',
      /may need 144\.\d MiB more on the volume .* has (40|39\.\d) MiB free; 10\d(\.\d)? MiB are missing/,
    );
    assert.deepEqual(await contentOf(folder, presentDisk(folder)!), content);

    await rm(filler);
    await host.restart('SIGTERM');
    await eventually(
      'the layer that nobody needs is gone',
      async () => readdirSync(join(folder, 'disks')).length,
      (files) => files === 3,
    );
    await mergesEnded(client, 3);
    assert.deepEqual(await contentOf(folder, presentDisk(folder)!), content);
    const check = await client.volume.check('v');
    assert.deepEqual(check.findings, []);
  });
});
