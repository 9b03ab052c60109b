/** VMs that start with the host: once per boot, in their order. The delays: packages/host/src/autostart. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import type { Client } from '@corral/api/client.gen';
import { eventually, succeeded, vmInState } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

/** For the daemon the host was booted again: the kernel tells it another id. */
const anotherBoot = (): string => `
  id=$(mktemp)
  echo ${randomUUID()} >"$id"
  mount --bind "$id" /proc/sys/kernel/random/boot_id
  rm "$id"`;

describe('VMs with autostart', () => {
  it('start after a boot in their order', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const create = async (name: string, autostart?: { order: number; delayMs: number }): Promise<void> => {
      const wish = { name, memoryBytes: 64 * 2 ** 20, disks: [], ...(autostart && { autostart }) };
      await succeeded(client, client.vm.create(wish));
    };
    await create('last', { order: 20, delayMs: 0 });
    await create('first', { order: 10, delayMs: 100 });
    await create('first-too', { order: 10, delayMs: 0 });
    await create('never');

    await host.restart('SIGTERM', { mounts: anotherBoot() });
    for (const name of ['first', 'first-too', 'last']) await vmInState(client, name, 'running');
    // The guest runs a moment before that is told.
    const started = await eventually(
      'all starts are told',
      () => startsOf(client),
      (names) => names.length >= 3,
    );
    assert.deepEqual(new Set(started.slice(0, 2)), new Set(['first', 'first-too']));
    assert.deepEqual(started.slice(2), ['last']);
    assert.equal((await client.vm.show('never')).state, 'off');
  });

  it('stay as they are when only the daemon starts again', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const autostart = { order: 1, delayMs: 0 };
    await succeeded(client, client.vm.create({ name: 'a', memoryBytes: 64 * 2 ** 20, disks: [], autostart }));
    await host.restart('SIGTERM');
    await eventually(
      'the daemon has started',
      () => client.event.list({ type: 'host.daemon-started' }),
      ({ items }) => items.length === 2,
    );
    assert.equal((await client.vm.show('a')).state, 'off');
    assert.deepEqual(await startsOf(client), []);
  });
});

/** Names, in the order in which they started. */
async function startsOf(client: Client): Promise<string[]> {
  const { items } = await client.event.list({ type: 'vm.started', order: 'oldest' });
  return items.map(({ subject }) => subject.name ?? '');
}
