/** Checkpoints of real guests: what is read is exactly what belongs to that point. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Client } from '@corral/api/client.gen';
import { agentAnswers, bootedGuest, inGuest } from '../support/guests.ts';
import { eventually, succeeded, vmInState } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';
import { allowUserfaultfd } from '../support/userfaultfd.ts';

const guest = { name: 'a', disks: [{ name: 'data', sizeBytes: 2 ** 28, filesystem: 'ext4' as const }] };

/** Appends a record to the journal on the disk and syncs it. */
const write = (client: Client, record: string): Promise<string> =>
  inGuest(client, 'a', `echo ${record} >> /mnt/data/journal && sync`);

const journal = async (client: Client): Promise<string[]> =>
  (await inGuest(client, 'a', 'cat /mnt/data/journal')).trim().split('\n');

const take = (client: Client, name: string) => succeeded(client, client.checkpoint.create('a', { name }));

async function apply(client: Client, name: string): Promise<void> {
  const operation = await succeeded(client, client.checkpoint.apply('a', name, { present: 'discard' }));
  const { startOperationId } = operation.output as { startOperationId: string | null };
  if (startOperationId) await succeeded(client, client.operation.show(startOperationId));
}

const mergesDone = (client: Client) =>
  eventually(
    'the merges are done',
    async () => (await client.operation.list({})).items.filter(({ kind }) => kind === 'vm.merge'),
    (merges) => merges.every(({ finishedAt }) => finishedAt !== null),
  );

describe('checkpoints of a running guest', () => {
  it('bring back disks and processes, in a tree, through live merges', async () => {
    await using _allowed = await allowUserfaultfd();
    await using host = await TestHost.start();
    const { client } = host;
    await bootedGuest(client, guest);
    await inGuest(client, 'a', 'sleep 100000 </dev/null >/dev/null 2>&1 & echo $! > /tmp/pid');
    await write(client, 'one');
    await take(client, 'first');
    await write(client, 'two');
    await take(client, 'second');
    await write(client, 'three');
    const before = await client.vm.show('a');

    await apply(client, 'first');
    await vmInState(client, 'a', 'running');
    await agentAnswers(client, 'a');
    assert.deepEqual(await journal(client), ['one']);
    await inGuest(client, 'a', 'kill -0 $(cat /tmp/pid)');
    const after = await client.vm.show('a');
    assert.notEqual(after.generationId, before.generationId);
    assert.ok(after.generation > before.generation);

    await write(client, 'branch');
    await take(client, 'third');
    const { items } = await client.checkpoint.list('a');
    const [first, second, third] = items;
    assert.deepEqual(
      [first?.parentId, second?.parentId, third?.parentId],
      [null, first?.id, first?.id],
      'a branch grows from the checkpoint that was applied',
    );
    assert.deepEqual(
      items.map(({ consistency }) => consistency),
      ['memory', 'memory', 'memory'],
    );

    await write(client, 'four');
    await succeeded(client, client.checkpoint.delete('a', 'third'));
    await succeeded(client, client.checkpoint.delete('a', 'first'));
    await mergesDone(client);
    assert.deepEqual(await journal(client), ['one', 'branch', 'four']);
    await apply(client, 'second');
    await agentAnswers(client, 'a');
    assert.deepEqual(await journal(client), ['one', 'two']);
    await inGuest(client, 'a', 'kill -0 $(cat /tmp/pid)');
  });
});
