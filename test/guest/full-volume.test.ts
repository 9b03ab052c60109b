/** A volume that is full stops the guest instead of failing its writes; with space it goes on by itself. */
import assert from 'node:assert/strict';
import { rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { bootedGuest, hashInGuest, inGuest } from '../support/guests.ts';
import { vmInState } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const MiB = 2 ** 20;

describe('a guest whose volume is full', () => {
  it('is paused, says why, runs on when there is space, and has lost nothing', async () => {
    await using host = await TestHost.start({ volumeBytes: 512 * MiB });
    const { client, data } = host;
    await bootedGuest(client, {
      name: 'a',
      disks: [{ name: 'data', sizeBytes: 1024 * MiB, filesystem: 'ext4' }],
    });
    const { bavail, bsize } = await statfs(data);
    const filler = join(data, 'filler');
    await writeFile(filler, Buffer.alloc(bavail * bsize - 24 * MiB));

    await inGuest(client, 'a', 'head -c 67108864 /dev/urandom > /tmp/source');
    const hash = await hashInGuest(client, 'a', '/tmp/source');
    await inGuest(
      client,
      'a',
      '(cp /tmp/source /mnt/data/copy; sync; touch /tmp/done) </dev/null >/dev/null 2>&1 &',
    );
    const paused = await vmInState(client, 'a', 'paused');
    assert.match(paused.stateReason ?? '', /volume of disk "data" is full/);
    const { items } = await client.event.list({ type: 'vm.paused-no-space' });
    assert.equal(items[0]?.data['disk'], 'data');

    await rm(filler);
    await vmInState(client, 'a', 'running');
    await inGuest(client, 'a', 'until test -e /tmp/done; do sleep 0.1; done');
    assert.equal(await hashInGuest(client, 'a', '/mnt/data/copy'), hash);
  });
});
