/** Checkpoints of real guests: what is read is exactly what belongs to that point. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isApiProblem } from '@corral/api/api-problem';
import type { Client } from '@corral/api/client.gen';
import { generationIdInGuest } from '../support/generation-id.ts';
import { agentAnswers, bootedGuest, inGuest } from '../support/guests.ts';
import { ended, eventually, succeeded, vmInState } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

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
    assert.equal(await generationIdInGuest(client, 'a'), before.generationId);

    await apply(client, 'first');
    await vmInState(client, 'a', 'running');
    await agentAnswers(client, 'a');
    assert.deepEqual(await journal(client), ['one']);
    await inGuest(client, 'a', 'kill -0 $(cat /tmp/pid)');
    const after = await client.vm.show('a');
    assert.notEqual(after.generationId, before.generationId);
    assert.ok(after.generation > before.generation);
    assert.equal(await generationIdInGuest(client, 'a'), after.generationId, 'the guest sees the new one');

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
    const stopped = await client.event.list({ type: 'checkpoint.guest-stopped' });
    assert.deepEqual(stopped.items, [], 'the guest ran on while its memory was written');

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

describe('a checkpoint brings the VM into the state that it had', () => {
  it('paused, saved and off; the present is never lost by accident', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await bootedGuest(client, guest);
    await write(client, 'one');
    await succeeded(client, client.vm.pause('a'));
    await take(client, 'paused');
    assert.equal((await client.vm.show('a')).state, 'paused', 'and leaves it as it was');
    await succeeded(client, client.vm.save('a'));
    await take(client, 'saved');
    await succeeded(client, client.vm.discardSaved('a'));
    await take(client, 'off');
    await succeeded(client, client.vm.start('a'));
    await agentAnswers(client, 'a');
    await write(client, 'two');

    await assert.rejects(
      client.checkpoint.apply('a', 'off', {}),
      (cause) => isApiProblem(cause) && cause.code === 'checkpoint.present-at-stake',
    );
    const kept = { present: 'checkpoint', checkpointName: 'kept' } as const;
    await succeeded(client, client.checkpoint.apply('a', 'off', kept));
    assert.equal((await client.vm.show('a')).state, 'off');
    await apply(client, 'saved');
    assert.equal((await client.vm.show('a')).state, 'saved');
    await apply(client, 'paused');
    assert.equal((await client.vm.show('a')).state, 'paused');
    await succeeded(client, client.vm.resume('a'));
    await agentAnswers(client, 'a');
    assert.deepEqual(await journal(client), ['one']);
    await apply(client, 'kept');
    await agentAnswers(client, 'a');
    assert.deepEqual(await journal(client), ['one', 'two']);
  });
});

describe('a production checkpoint', () => {
  it('has the file systems at rest, no memory, and needs an agent', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await bootedGuest(client, guest);
    await write(client, 'one');
    await succeeded(client, client.checkpoint.create('a', { name: 'rest', type: 'production' }));
    const rest = await client.checkpoint.show('a', 'rest');
    assert.ok(['application', 'filesystem'].includes(rest.consistency), rest.consistency);
    assert.deepEqual([rest.type, rest.state, rest.reason], ['production', 'off', null]);
    await write(client, 'two');

    await inGuest(client, 'a', '(sleep 1; killall -STOP qemu-ga) </dev/null >/dev/null 2>&1 &');
    await eventually(
      'the agent is silent',
      () =>
        client.guest.exec('a', { command: ['true'], limitMs: 1000 }).then(
          () => false,
          () => true,
        ),
      (silent) => silent,
    );
    const request = { name: 'crash', type: 'production' } as const;
    const refused = await ended(client, await client.checkpoint.create('a', request));
    assert.equal(refused.error?.code, 'checkpoint.no-guest');
    await succeeded(client, client.checkpoint.create('a', { ...request, allowCrash: true }));
    const crash = await client.checkpoint.show('a', 'crash');
    assert.equal(crash.consistency, 'crash');
    assert.match(crash.reason ?? '', /agent/);

    await apply(client, 'rest');
    assert.equal((await client.vm.show('a')).state, 'off');
    await succeeded(client, client.vm.start('a'));
    await agentAnswers(client, 'a');
    assert.deepEqual(await journal(client), ['one']);
  });
});
