/**
 * Backups of a guest that never stops writing: through checkpoints, restarts and crashes every one is incremental, and
 * every one restores to what the disk held.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Client } from '@corral/api/client.gen';
import { Backup } from '@corral/api/schemas/backup';
import { DirectoryStore } from '@corral/backup/object-store/directory-store';
import { Repository } from '@corral/backup/repository';
import { FileSink } from '@corral/backup/restore/restore-sink';
import { openChainOf } from '@corral/host/backup/open-chain';
import { chainOf } from '@corral/host/chain/chain';
import { DataDirectory } from '@corral/host/data-directory';
import { agentAnswers, bootedGuest, inGuest } from '../support/guests.ts';
import { eventually, succeeded, vmInState } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const execute = promisify(execFile);
const sizeBytes = 2 ** 28;
const passphrase = 'correct horse battery staple';

/** Numbered records, each with a checksum and each on disk before the next. */
const writer = `i=0; while true; do i=$((i+1)); head -c 3000 /dev/urandom > /tmp/r; \
s=$(sha256sum < /tmp/r | cut -c1-64); cp /tmp/r /mnt/data/rec/$i.$s; sync; done`;

describe('a guest that writes all the time', () => {
  it('is backed up through whatever happens to it', { timeout: 900_000 }, async () => {
    const place = await mkdtemp(join(tmpdir(), 'corral-vault-'));
    try {
      await using host = await TestHost.start();
      const { client } = host;
      await bootedGuest(client, { name: 'a', disks: [{ name: 'data', sizeBytes, filesystem: 'ext4' }] });
      await connect(client, place);
      await inGuest(client, 'a', 'mkdir -p /mnt/data/rec');
      await startWriter(client);
      const qemu = async (): Promise<number> => (await client.vm.show('a')).pid!;

      await backUp(client);
      await recordsGrow(client);
      await backUp(client);
      await succeeded(
        client,
        client.checkpoint.create('a', { name: 'one', type: 'production', allowCrash: true }),
      );
      await recordsGrow(client);
      await backUp(client);
      await host.restart('SIGKILL');
      await recordsGrow(client);
      await backUp(client);
      process.kill(await qemu(), 'SIGKILL');
      await vmInState(client, 'a', 'off');
      await backUp(client);
      await succeeded(client, client.vm.start('a'));
      await agentAnswers(client, 'a');
      await startWriter(client);
      await succeeded(client, client.checkpoint.delete('a', 'one'));
      await backUp(client);
      await succeeded(client, client.checkpoint.create('a', { name: 'two' }));
      await recordsGrow(client);
      await backUp(client);
      await succeeded(client, client.checkpoint.apply('a', 'two', { present: 'discard' }));
      await backUp(client);
      await succeeded(client, client.checkpoint.delete('a', 'two'));
      await succeeded(client, client.vm.save('a'));
      await backUp(client);
      await succeeded(client, client.vm.start('a'));
      await Promise.all([
        backUp(client),
        eventually(
          'it runs',
          () => qemu(),
          (pid) => pid > 0,
        ),
      ]);
      process.kill(await qemu(), 'SIGKILL');
      process.kill(host.daemonPid, 'SIGKILL');
      await host.daemonEnded();
      await host.startDaemon();
      await vmInState(client, 'a', 'off');
      await backUp(client);

      const { items } = await client.backup.list({});
      const [first, ...others] = items;
      assert.equal(first!.base, null);
      for (const { name, base, disks } of others) {
        assert.notEqual(base, null, `${name} is incremental`);
        assert.ok(disks[0]!.readBytes < sizeBytes / 4, `${name} read ${disks[0]!.readBytes} bytes`);
      }
      await everyBackupIsConsistent(place, items);
      const last = items.at(-1)!;
      assert.equal(await hashOfBackup(place, last.id), await hashOfDisk(client, host), 'byte for byte');
      const events = (await client.event.list({ type: 'vm', limit: 1000 })).items;
      assert.ok(!events.some(({ type }) => type === 'vm.backup-mismatch'), 'no audit found a difference');
    } finally {
      await rm(place, { recursive: true, force: true });
    }
  });

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
      const { disks } = await client.vm.show('a');
      assert.ok(disks[0]!.parents.length <= 2, 'and no layers');
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

async function startWriter(client: Client): Promise<void> {
  await inGuest(client, 'a', `(${writer}) </dev/null >/dev/null 2>&1 &`);
  await recordsGrow(client);
}

async function recordsGrow(client: Client): Promise<void> {
  const count = async (): Promise<number> => Number(await inGuest(client, 'a', 'ls /mnt/data/rec | wc -l'));
  const before = await count();
  await eventually('the guest writes', count, (now) => now > before + 3);
}

async function backUp(client: Client, consistency?: Backup['consistency']): Promise<Backup> {
  const request = { repository: 'vault', ...(consistency && { consistency }) };
  const { output } = await succeeded(client, client.backup.run('a', request));
  return Backup.parse(await client.backup.show((output as { backupId: string }).backupId, {}));
}

async function withRestored<T>(place: string, id: string, use: (file: string) => Promise<T>): Promise<T> {
  await using repository = await Repository.open(new DirectoryStore(join(place, 'vault')), {
    secret: { passphrase },
  });
  await using held = await repository.holdPoint(id);
  const file = join(place, 'restored.raw');
  await rm(file, { force: true });
  {
    await using sink = await FileSink.create(file, sizeBytes);
    await repository.restore(held.reader, 'data', sink);
  }
  return await use(file);
}

/** As after a power cut at worst: the file system's journal is replayed, then every record must be whole. */
async function everyBackupIsConsistent(place: string, backups: readonly Backup[]): Promise<void> {
  for (const { id, name } of backups) {
    await withRestored(place, id, async (file) => {
      await execute('e2fsck', ['-p', file]).catch(({ code, stdout }) => {
        assert.ok(code <= 1, `${name}: ${stdout}`);
      });
      await execute('e2fsck', ['-n', '-f', file]);
      const folder = await mkdtemp(join(tmpdir(), 'corral-records-'));
      try {
        await execute('debugfs', ['-R', `rdump /rec ${folder}`, file]);
        const { stdout } = await execute(
          'sh',
          ['-c', `cd ${folder}/rec && for f in *; do echo $f $(sha256sum < $f | cut -c1-64); done`],
          { maxBuffer: 2 ** 24 },
        );
        const records = stdout
          .trim()
          .split('\n')
          .map((line) => line.split(/[. ]/));
        const last = Math.max(...records.map(([number]) => Number(number)));
        // A record that was being written may be cut; those before it were on disk.
        const broken = records.filter(([number, said, is]) => said !== is && Number(number) < last);
        assert.deepEqual(broken, [], `${name}: every record that was acknowledged is whole`);
        assert.equal(new Set(records.map(([number]) => number)).size, records.length);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  }
}

function hashOfBackup(place: string, id: string): Promise<string> {
  return withRestored(place, id, async (file) => (await execute('sha256sum', [file])).stdout.slice(0, 64));
}

async function hashOfDisk(client: Client, host: TestHost): Promise<string> {
  const { id, disks } = await client.vm.show('a');
  await using directory = new DataDirectory(host.data);
  const { signal } = new AbortController();
  await using disk = await openChainOf(directory, id, chainOf(disks[0]!), signal);
  const hash = createHash('sha256');
  const piece = Buffer.alloc(2 ** 20);
  for (let offset = 0; offset < sizeBytes; offset += piece.length) {
    await disk.read(piece, offset);
    hash.update(piece);
  }
  return hash.digest('hex');
}
