/** A guest runs from its backup at once, and is whole when its disks are copied, whoever dies meanwhile. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Client } from '@corral/api/client.gen';
import type { Vm } from '@corral/api/schemas/vm';
import { backedUp, connectedRepository } from '../support/backups.ts';
import { agentAnswers, bootedGuest, hashInGuest, inGuest } from '../support/guests.ts';
import { ended, eventually, succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const megabytes = 96;

/** A backup of a guest that is gone. */
async function lostGuest(host: TestHost): Promise<{ backup: string; hash: string }> {
  const { client } = host;
  await connectedRepository(client, host.data);
  await bootedGuest(client, { name: 'a', disks: [{ name: 'data', sizeBytes: 2 ** 29, filesystem: 'ext4' }] });
  await inGuest(client, 'a', `dd if=/dev/urandom of=/mnt/data/file bs=1M count=${megabytes} && sync`);
  const hash = await hashInGuest(client, 'a', '/mnt/data/file');
  const backup = await backedUp(client, 'a');
  await succeeded(client, client.vm.stop('a'));
  await succeeded(client, client.vm.delete('a', { ifMatch: '*' }));
  return { backup, hash };
}

/** Runs from its backup. @returns the id of the operation that copies */
async function restoredAtOnce(client: Client, backup: string): Promise<string> {
  const operation = await succeeded(client, client.restore.vm(backup, { instant: true }));
  const { copyOperationId, startOperationId } = operation.output as Record<string, string>;
  const started = await ended(client, await client.operation.show(startOperationId!));
  assert.equal(started.state, 'succeeded', JSON.stringify(started.error));
  return copyOperationId!;
}

async function copied(client: Client, id: string): Promise<Vm> {
  const operation = await eventually(
    'the disks are copied',
    () => client.operation.show(id),
    ({ state }) => state !== 'running' && state !== 'pending',
    300_000,
  );
  assert.equal(operation.state, 'succeeded', JSON.stringify(operation.error));
  const vm = await client.vm.show('a');
  assert.deepEqual(
    vm.disks.map(({ parents }) => parents),
    [[]],
  );
  return vm;
}

describe('an instant restore', () => {
  it('answers before it is copied, is whole afterwards, and then needs no repository', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const { backup, hash } = await lostGuest(host);
    const copy = await restoredAtOnce(client, backup);
    await agentAnswers(client, 'a');
    await inGuest(client, 'a', 'echo new > /mnt/data/new && sync');
    await copied(client, copy);
    await succeeded(client, client.vm.stop('a'));
    await succeeded(client, client.repository.remove('vault'));
    await succeeded(client, client.vm.start('a'));
    await agentAnswers(client, 'a');
    assert.equal(await hashInGuest(client, 'a', '/mnt/data/file'), hash);
    assert.equal((await inGuest(client, 'a', 'cat /mnt/data/new')).trim(), 'new');
  });

  it('goes on where the daemon was killed', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const { backup, hash } = await lostGuest(host);
    const copy = await restoredAtOnce(client, backup);
    await host.restart('SIGKILL');
    await agentAnswers(client, 'a');
    await copied(client, copy);
    assert.equal(await hashInGuest(client, 'a', '/mnt/data/file'), hash);
  });

  it('goes on where QEMU was killed, without and with another start', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const { backup, hash } = await lostGuest(host);
    const copy = await restoredAtOnce(client, backup);
    process.kill((await client.vm.show('a')).pid!, 'SIGKILL');
    await eventually(
      'it is off',
      () => client.vm.show('a'),
      ({ state }) => state === 'off',
    );
    await succeeded(client, client.vm.start('a'));
    await agentAnswers(client, 'a');
    await copied(client, copy);
    assert.equal(await hashInGuest(client, 'a', '/mnt/data/file'), hash);
  });
});
