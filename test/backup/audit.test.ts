/** The audit finds what change tracking cannot: a block that became another behind Corral's back. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { open, readFile, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import type { Client } from '@corral/api/client.gen';
import { DirectoryStore } from '@corral/backup/object-store/directory-store';
import { Repository } from '@corral/backup/repository';
import { FileSink } from '@corral/backup/restore/restore-sink';
import { connectedRepository } from '../support/backups.ts';
import { OffVm } from '../support/off-vm.ts';
import { eventually } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const sizeBytes = 2 ** 20;
const at = 5 * 2 ** 16;

it('a block that changed unseen quarantines the chain, is told once, and the disk is read in full until that worked', async () => {
  await using host = await TestHost.start();
  const { client, data } = host;
  await connectedRepository(client, data);
  const vm = await OffVm.create(host, 'db1', sizeBytes);
  await vm.write(0, randomBytes(sizeBytes));
  const first = await vm.backUp();
  await vm.write(0, randomBytes(4096));
  const second = await vm.backUp();
  assert.equal(second.base, first.id);
  assert.ok(second.disks[0]!.auditBytes > 0 && second.disks[0]!.readBytes <= 2 ** 16);

  const marker = await vm.read(at + 512, 64);
  const file = await flip(vm.files, marker);
  assert.ok(file !== vm.files[0], 'in a layer that is sealed');
  const flipped = await vm.read(0, sizeBytes);
  assert.ok(!flipped.subarray(at + 512, at + 576).equals(marker));

  await host.arm('backup.run/write/after-run=kill-daemon');
  // The daemon may die before it has answered; what it began is in its records.
  const killed = client.backup.run('db1', { repository: 'vault' }).catch(() => null);
  await host.daemonEnded();
  await host.startDaemon();
  await killed;
  await eventually(
    'it is undone',
    async () => (await client.operation.list({})).items,
    (items) => items.every(({ finishedAt }) => finishedAt !== null),
  );
  assert.deepEqual(await mismatches(client), [
    { name: 'db1', disk: 'data', repository: 'vault', offset: at, length: 2 ** 16 },
  ]);

  const third = await vm.backUp();
  assert.equal(third.disks[0]!.readBytes, sizeBytes, 'the backup that found it died: it is read in full now');
  assert.ok((await restored(data, third.id)).equals(flipped), 'what is on the disk is in the backup');
  const { items } = await client.backup.list({});
  assert.deepEqual(
    items.map(({ id, doubts }) => [id, doubts.map(({ disk, offset }) => `${disk} ${offset}`)]),
    [
      [first.id, []],
      [second.id, [`data ${at}`]],
      [third.id, []],
    ],
    'the one that lacks it is doubtful; the first was read in full, and the third',
  );

  await vm.write(0, randomBytes(4096));
  const fourth = await vm.backUp();
  assert.deepEqual(
    [fourth.base, fourth.disks[0]!.readBytes <= 2 ** 16],
    [third.id, true],
    'incremental again',
  );
  assert.equal((await mismatches(client)).length, 1, 'it was told once');
  const { repositories } = await client.tracking.show('db1');
  assert.deepEqual(repositories[0]!.disks[0]!.suspect, null);
});

it('a VM without tracking is read as a whole each time, keeps nothing between, and stores what is new', async () => {
  await using host = await TestHost.start();
  const { client, data } = host;
  await connectedRepository(client, data);
  const vm = await OffVm.create(host, 'scratch', sizeBytes);
  await vm.write(0, randomBytes(sizeBytes));
  await client.tracking.set('scratch', { mode: 'none', auditDays: 7 });
  for (const expected of [sizeBytes, 2 ** 16]) {
    const { base, disks } = await vm.backUp();
    assert.deepEqual([base, disks[0]!.readBytes], [null, sizeBytes]);
    assert.ok(disks[0]!.storedBytes <= expected * 1.1 + 4096, `${disks[0]!.storedBytes} bytes`);
    await vm.write(0, randomBytes(4096));
  }
  assert.deepEqual((await client.reference.list('scratch')).items, []);
  await client.tracking.set('scratch', { mode: 'changes' });
  assert.equal((await vm.backUp()).base, null);
  const last = await vm.backUp();
  assert.equal(last.disks[0]!.readBytes, 0);
  assert.equal((await client.tracking.show('scratch')).auditDays, 7);
});

/** As a disk that rots: neither size nor times of the file tell it. */
async function flip(files: readonly string[], marker: Buffer): Promise<string> {
  for (const path of files) {
    const content = await readFile(path);
    const place = content.indexOf(marker);
    if (place < 0) continue;
    const { atime, mtime } = await stat(path);
    const before = await stat(path, { bigint: true });
    {
      await using file = await open(path, 'r+');
      await file.write(Buffer.from([content[place]! ^ 1]), 0, 1, place);
      await file.sync();
    }
    await utimes(path, atime, mtime);
    assert.equal((await stat(path)).size, Number(before.size));
    return path;
  }
  throw new Error('no layer holds the block');
}

async function mismatches(client: Client) {
  const { items } = await client.event.list({ type: 'vm.backup-mismatch' });
  return items.map(({ subject, data }) => {
    const { disk, repository, offset, length } = data as Record<string, unknown>;
    return { name: subject!.name, disk, repository, offset, length };
  });
}

async function restored(data: string, id: string): Promise<Buffer> {
  await using repository = await Repository.open(new DirectoryStore(join(data, 'repository-vault')), {
    secret: { passphrase: 'correct horse battery' },
  });
  await using held = await repository.holdPoint(id);
  const path = join(data, 'restored.raw');
  {
    await using sink = await FileSink.create(path, sizeBytes);
    await repository.restore(held.reader, 'data', sink);
  }
  return await readFile(path);
}
