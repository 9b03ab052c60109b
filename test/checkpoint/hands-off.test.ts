/** A chain that somebody touched: it is named, the VM does not start on it, and nothing is built on it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { appendFile, rename, truncate, utimes, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import type { Client } from '@corral/api/client.gen';
import { resizeDisk } from '@corral/disk/verbs/resize-disk';
import { CheckpointFile } from '@corral/host/checkpoint/checkpoint-files';
import { ended, eventually, succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const MiB = 2 ** 20;

/** The file that holds what the checkpoint keeps of the disk. */
async function layerOf(client: Client, folder: string, name: string): Promise<string> {
  const { id } = await client.checkpoint.show('a', name);
  const text = readFileSync(join(folder, 'checkpoints', id, 'checkpoint.json'), 'utf8');
  return resolve(folder, CheckpointFile.parse(JSON.parse(text)).checkpoint.settings.disks[0]!.path);
}

async function startFailsWith(client: Client, code: string, words: string): Promise<void> {
  const { error } = await ended(client, await client.vm.start('a'));
  assert.equal(error?.code, code);
  assert.ok(error.detail?.includes(words), `${error.detail} names ${words}`);
}

async function findings(client: Client): Promise<(string | null)[][]> {
  const check = await client.volume.check('local');
  return check.findings.map(({ problem, path, disk }) => [problem, path, disk]);
}

describe('a layer that was touched from outside', () => {
  it('is named by start, by apply and by volume check; put right, the VM starts', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const disks = [{ name: 'data', sizeBytes: 16 * MiB }];
    await succeeded(client, client.vm.create({ name: 'a', memoryBytes: 64 * MiB, disks }));
    const folder = join(host.data, 'vms', (await client.vm.show('a')).id);
    for (const name of ['one', 'two']) await succeeded(client, client.checkpoint.create('a', { name }));
    await succeeded(client, client.checkpoint.apply('a', 'one', { present: 'discard' }));
    const [one, two] = await Promise.all(['one', 'two'].map((name) => layerOf(client, folder, name)));
    assert.deepEqual(await findings(client), []);

    // Moved away: the present stands on it.
    await rename(one!, `${one}.moved`);
    await startFailsWith(client, 'vm.file-missing', one!);
    assert.ok((await findings(client)).some(([problem, path]) => problem === 'missing' && path === one));
    await rename(`${one}.moved`, one!);

    // Edited, in a branch on which the present does not stand: what stands on it is refused, the VM starts.
    await appendFile(two!, 'x');
    assert.deepEqual(await findings(client), [['altered', two, 'data']]);
    const applied = await ended(client, await client.checkpoint.apply('a', 'two', { present: 'discard' }));
    assert.equal(applied.error?.code, 'checkpoint.damaged');
    assert.ok(applied.error.detail?.includes(two!));
    await succeeded(client, client.vm.start('a'));
    await succeeded(client, client.vm.stop('a'));

    // Written to, at the same length, below the present.
    await utimes(one!, new Date(), new Date());
    await startFailsWith(client, 'chain.layer-touched', one!);
    assert.deepEqual(
      (await findings(client)).sort(),
      [
        ['altered', one, 'data'],
        ['altered', two, 'data'],
      ].sort(),
    );
    await truncate(one!, 100);
    await startFailsWith(client, 'chain.layer-touched', one!);
  });

  it('is noticed on top too, of a VM that rests; accepted, the VM starts, and what had changed is not believed', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const disks = [{ name: 'data', sizeBytes: 16 * MiB }];
    await succeeded(client, client.vm.create({ name: 'a', memoryBytes: 64 * MiB, disks }));
    await succeeded(client, client.reference.create('a', { name: 'monday' }));
    await succeeded(client, client.vm.start('a'));
    await succeeded(client, client.vm.stop('a'));
    const vm = await client.vm.show('a');
    const top = resolve(join(host.data, 'vms', vm.id), vm.disks[0]!.path);
    assert.deepEqual(await findings(client), []);

    await utimes(top, new Date(), new Date());
    await startFailsWith(client, 'chain.layer-touched', top);
    assert.deepEqual(await findings(client), [['altered', top, 'data']]);
    // Nothing is stacked on it or read from it either.
    for (const begin of [
      () => client.checkpoint.create('a', { name: 'one' }),
      () => client.reference.create('a', { name: 'tuesday' }),
      () => client.vm.clone('a', { name: 'b' }),
    ]) {
      assert.equal((await ended(client, await begin())).error?.code, 'chain.layer-touched');
    }

    await succeeded(client, client.vm.disk.accept('a', 'data'));
    assert.deepEqual(await findings(client), []);
    assert.deepEqual((await client.reference.list('a')).items, []);
    await succeeded(client, client.vm.start('a'));
    await succeeded(client, client.vm.stop('a'));
    assert.deepEqual(await findings(client), []);
  });

  it('is named by the merge that needs it, too, and stays what the VM is refused for', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const disks = [{ name: 'data', sizeBytes: 16 * MiB }];
    await succeeded(client, client.vm.create({ name: 'a', memoryBytes: 64 * MiB, disks }));
    const folder = join(host.data, 'vms', (await client.vm.show('a')).id);
    for (const name of ['one', 'two']) await succeeded(client, client.checkpoint.create('a', { name }));
    const one = await layerOf(client, folder, 'one');
    await utimes(one, new Date(), new Date());
    await succeeded(client, client.checkpoint.delete('a', 'one'));
    const merges = await eventually(
      'the merge is refused',
      async () => (await client.operation.list({})).items.filter(({ kind }) => kind === 'vm.merge'),
      ([merge]) => merge !== undefined && merge.finishedAt !== null,
    );
    assert.equal(merges[0]!.error?.code, 'chain.layer-touched');
    assert.ok(merges[0]!.error.detail?.includes(one));
    await startFailsWith(client, 'chain.layer-touched', one);
    await succeeded(client, client.vm.disk.accept('a', 'data'));
    await succeeded(client, client.vm.start('a'));
  });

  it('has its new size when somebody resized it, and is not accepted when it is no disk', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const disks = [{ name: 'data', sizeBytes: 16 * MiB }];
    await succeeded(client, client.vm.create({ name: 'a', memoryBytes: 64 * MiB, disks }));
    await succeeded(client, client.vm.start('a'));
    await succeeded(client, client.vm.stop('a'));
    const vm = await client.vm.show('a');
    const top = resolve(join(host.data, 'vms', vm.id), vm.disks[0]!.path);

    await resizeDisk(top, 32 * MiB);
    await startFailsWith(client, 'chain.layer-touched', top);
    await succeeded(client, client.vm.disk.accept('a', 'data'));
    assert.equal((await client.vm.show('a')).disks[0]!.sizeBytes, 32 * MiB);

    await writeFile(top, 'no disk at all');
    const refused = await ended(client, await client.vm.disk.accept('a', 'data'));
    assert.match(String(refused.error?.code), /^disk\./);
    await startFailsWith(client, 'chain.layer-touched', top);
  });
});
