/** A QEMU that lives and does not answer, as on storage that hangs: it harms nothing but its own VM. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { succeeded, vmInState } from '../support/operations.ts';
import { processesOf } from '../support/processes.ts';
import { TestHost } from '../support/test-host.ts';

describe('a QEMU that does not answer', () => {
  it('keeps the daemon from nothing else, is taken up when it answers, and can be ended', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    for (const name of ['hangs', 'answers']) {
      await succeeded(client, client.vm.create({ name, memoryBytes: 64 * 2 ** 20, disks: [] }));
      await succeeded(client, client.vm.start(name));
    }
    const { pid } = await client.vm.show('hangs');
    process.kill(pid!, 'SIGSTOP');

    await host.restart('SIGKILL');
    const vm = await client.vm.show('hangs');
    assert.equal(vm.state, 'unresponsive');
    assert.match(vm.stateReason ?? '', /monitor/);
    const { items } = await client.event.list({ type: 'vm.unresponsive' });
    assert.deepEqual(
      items.map(({ subject, data }) => [subject.name, data['pid']]),
      [['hangs', pid]],
    );
    await assert.rejects(client.vm.pause('hangs'), /unresponsive/);
    await succeeded(client, client.vm.pause('answers'));

    process.kill(pid!, 'SIGCONT');
    await vmInState(client, 'hangs', 'running');
    await succeeded(client, client.vm.pause('hangs'));

    process.kill(pid!, 'SIGSTOP');
    await host.restart('SIGTERM');
    assert.equal((await client.vm.show('hangs')).state, 'unresponsive');
    await succeeded(client, client.vm.stop('hangs'));
    assert.equal((await client.vm.show('hangs')).state, 'off');
    assert.ok(!processesOf(host.data).includes(pid!));
    const died = await client.event.list({ type: 'vm.qemu-died' });
    assert.deepEqual(died.items, [], 'it was ended on purpose');
  });
});
