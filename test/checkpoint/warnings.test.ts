/** Old and large checkpoints are warned of, each once: they are no backup. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Client } from '@corral/api/client.gen';
import type { Event } from '@corral/api/schemas/event';
import { openLayer } from '@corral/disk/drivers';
import { eventually, succeeded } from '../support/operations.ts';
import { presentDisk } from '../support/record-writer.ts';
import { TestHost } from '../support/test-host.ts';

const MiB = 2 ** 20;

const told = async (client: Client, type: string): Promise<Event[]> =>
  (await client.event.list({ type })).items;

describe('a checkpoint', () => {
  it('that is old or has grown large is told of once, over restarts of the daemon', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const disks = [{ name: 'data', sizeBytes: 16 * MiB }];
    await succeeded(client, client.vm.create({ name: 'a', disks }));
    for (const name of ['one', 'two']) await succeeded(client, client.checkpoint.create('a', { name }));
    const folder = join(host.data, 'vms', (await client.vm.show('a')).id);
    const { path, format } = presentDisk(folder)!;
    {
      await using layer = await openLayer(join(folder, path), { format, readOnly: false });
      await layer.write(Buffer.alloc(4 * MiB, 1), 0);
      await layer.flush();
    }
    assert.deepEqual(await told(client, 'checkpoint.old'), []);

    const args = ['--checkpoint-age', '1ms', '--checkpoint-part', '20%'];
    for (let turn = 0; turn < 2; turn += 1) await host.restart('SIGTERM', { args });
    await eventually(
      'both are old and one is large',
      async () => [await told(client, 'checkpoint.old'), await told(client, 'checkpoint.large')],
      ([old, large]) => old!.length >= 2 && large!.length >= 1,
    );
    await host.restart('SIGTERM', { args });
    // The watcher has looked when it tells of one that was taken since.
    await succeeded(client, client.checkpoint.create('a', { name: 'three' }));
    await host.restart('SIGTERM', { args });
    const old = await eventually(
      'the new one is old too',
      () => told(client, 'checkpoint.old'),
      (events) => events.some(({ data }) => data['checkpoint'] === 'three'),
    );
    assert.deepEqual(old.map(({ data }) => data['checkpoint']).sort(), ['one', 'three', 'two']);
    const large = await told(client, 'checkpoint.large');
    assert.deepEqual(
      large.map(({ data }) => data['checkpoint']),
      ['two'],
    );
  });
});
