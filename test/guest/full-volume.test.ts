/** A volume that is full stops the guest instead of failing its writes; with space it goes on by itself. */
import assert from 'node:assert/strict';
import { rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Client } from '@corral/api/client.gen';
import type { Event } from '@corral/api/schemas/event';
import { bootedGuest, hashInGuest, inGuest } from '../support/guests.ts';
import { eventually, succeeded, vmInState } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const MiB = 2 ** 20;

/** Events are kept a moment after the state that they tell of is shown. */
async function events(client: Client, type: string, count: number): Promise<readonly Event[]> {
  const list = await eventually(
    `${count} × ${type}`,
    () => client.event.list({ type }),
    ({ items }) => items.length >= count,
  );
  return list.items;
}

describe('a guest whose volume is full', () => {
  it('is paused, says why once, runs on when there is space, and has lost nothing', async () => {
    await using host = await TestHost.start({ volumeBytes: 512 * MiB });
    const { client, data } = host;
    await bootedGuest(client, {
      name: 'a',
      disks: [{ name: 'data', sizeBytes: 1024 * MiB, filesystem: 'ext4' }],
    });
    const { bavail, bsize } = await statfs(data);
    const filler = join(data, 'filler');
    await writeFile(filler, Buffer.alloc(bavail * bsize - 24 * MiB));

    // More than is free, and no zeroes, which would take no space.
    await inGuest(client, 'a', `yes ${Date.now()} | head -c ${48 * MiB} > /tmp/source`);
    const hash = await hashInGuest(client, 'a', '/tmp/source');
    await inGuest(
      client,
      'a',
      '(cp /tmp/source /mnt/data/copy; sync; touch /tmp/done) </dev/null >/dev/null 2>&1 &',
    );
    const paused = await vmInState(client, 'a', 'paused');
    assert.match(paused.stateReason ?? '', /volume of disk "data" is full/);
    const [told] = await events(client, 'vm.paused-no-space', 1);
    assert.equal(told?.data['disk'], 'data');
    // The volume is full, and the administrator can still make a change.
    await succeeded(client, client.vm.update('a', { name: 'b' }, { ifMatch: '*' }));

    await rm(filler);
    await vmInState(client, 'b', 'running');
    await events(client, 'vm.resumed', 1);
    await inGuest(client, 'b', 'until test -e /tmp/done; do sleep 0.1; done');
    assert.equal(await hashInGuest(client, 'b', '/mnt/data/copy'), hash);
    assert.equal((await events(client, 'vm.paused-no-space', 1)).length, 1);
    assert.equal((await events(client, 'vm.resumed', 1)).length, 1);
  });
});
