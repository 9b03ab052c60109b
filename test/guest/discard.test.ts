/** What a guest discards comes back to the volume. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MountedFileSystem } from '../support/file-systems.ts';
import { bootedGuest, inGuest } from '../support/guests.ts';
import { eventually, succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const MiB = 2 ** 20;

describe('a guest that deletes a file and discards its blocks', () => {
  for (const format of ['qcow2', 'raw'] as const) {
    it(`gives the space back to the volume (${format})`, { timeout: 300_000 }, async () => {
      await using mounted = await MountedFileSystem.mount('xfs');
      await using host = await TestHost.start();
      const { client } = host;
      await succeeded(client, client.volume.add({ name: 'v', path: mounted.path }));
      const allocated = async (): Promise<number> => (await client.volume.show('v')).allocatedBytes!;
      await bootedGuest(client, {
        name: 'a',
        disks: [{ name: 'data', sizeBytes: 256 * MiB, filesystem: 'ext4', format, volume: 'v' }],
      });
      const empty = await allocated();
      await inGuest(client, 'a', 'dd if=/dev/urandom of=/mnt/data/file bs=1M count=64 && sync');
      const full = await allocated();
      assert.ok(full >= empty + 64 * MiB, `${empty} before, ${full} with the file`);

      await inGuest(client, 'a', 'rm /mnt/data/file && sync && fstrim /mnt/data');
      const after = await eventually('the space is back', allocated, (bytes) => bytes < full - 60 * MiB);
      assert.ok(after < empty + 8 * MiB, `${after} of ${full} are left, ${empty} at first`);
    });
  }
});
