/** What a guest's hook proves of a backup. What happens to backups in their life is told in backup-story.test.ts. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Client } from '@corral/api/client.gen';
import { Backup } from '@corral/api/schemas/backup';
import { bootedGuest, inGuest } from '../support/guests.ts';
import { eventually, succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const passphrase = 'correct horse battery staple';

describe('a guest with an agent', () => {
  it('is backed up with the consistency that its hook proves, and none is claimed without', async () => {
    const place = await mkdtemp(join(tmpdir(), 'corral-vault-'));
    try {
      await using host = await TestHost.start();
      const { client } = host;
      await bootedGuest(client, {
        name: 'a',
        disks: [{ name: 'data', sizeBytes: 2 ** 26, filesystem: 'ext4' }],
      });
      await connect(client, place);
      assert.equal((await backUp(client)).consistency, 'filesystem');
      const asked = client.backup.run('a', { repository: 'vault', consistency: 'application' });
      await assert.rejects(succeeded(client, asked), /no hook of its guest said/);
      await inGuest(
        client,
        'a',
        `mkdir -p /etc/qemu/fsfreeze-hook.d && printf '#!/bin/sh\\n[ "$1" = freeze ] && cp /var/lib/corral/kv/host/freeze-id /var/lib/corral/kv/guest/frozen-id\\nexit 0\\n' > /etc/qemu/fsfreeze-hook.d/proof && chmod +x /etc/qemu/fsfreeze-hook.d/proof`,
      );
      const proved = await backUp(client, 'application');
      assert.deepEqual([proved.consistency, proved.reason], ['application', null]);
      assert.ok(proved.base !== null, 'the one that was refused left the next incremental');
      await eventually(
        'no more layers are left than the last backup needs',
        async () => (await client.vm.show('a')).disks[0]!.parents,
        ({ length }) => length <= 2,
      );
    } finally {
      await rm(place, { recursive: true, force: true });
    }
  });
});

async function connect(client: Client, place: string): Promise<void> {
  const path = join(place, 'vault');
  const request = { name: 'vault', place: { kind: 'directory' as const, path }, secret: { passphrase } };
  await succeeded(client, client.repository.create(request));
}

async function backUp(client: Client, consistency?: Backup['consistency']): Promise<Backup> {
  const request = { repository: 'vault', ...(consistency && { consistency }) };
  const { output } = await succeeded(client, client.backup.run('a', request));
  return Backup.parse(await client.backup.show((output as { backupId: string }).backupId, {}));
}
