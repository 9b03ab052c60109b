/** The clock of a guest that stood still, or whose memory lay in a file, is set again. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Client } from '@corral/api/client.gen';
import { agentAnswers, bootedGuest, inGuest } from '../support/guests.ts';
import { eventually, succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const hour = 3_600;

async function setBack(client: Client, vm: string): Promise<void> {
  await inGuest(client, vm, `date -s @$(($(date +%s) - ${hour}))`);
  assert.ok((await client.guest.info(vm)).clockOffsetMs! < -hour * 900);
}

async function isRight(client: Client, vm: string): Promise<void> {
  await eventually(
    `the clock of ${vm} is right`,
    () => client.guest.info(vm),
    ({ clockOffsetMs }) => Math.abs(clockOffsetMs!) < 5_000,
  );
}

describe("a guest's clock", () => {
  it('is set after its memory came back and after a pause, and a guest without an agent goes on too', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await bootedGuest(client, { name: 'a' });
    // As after a night: that a test cannot wait for.
    await setBack(client, 'a');
    await succeeded(client, client.vm.save('a'));
    await succeeded(client, client.vm.start('a'));
    await agentAnswers(client, 'a');
    await isRight(client, 'a');

    await setBack(client, 'a');
    await succeeded(client, client.vm.pause('a'));
    await succeeded(client, client.vm.resume('a'));
    await isRight(client, 'a');

    await inGuest(client, 'a', '(killall -STOP qemu-ga) </dev/null >/dev/null 2>&1 &');
    await succeeded(client, client.vm.pause('a'));
    await succeeded(client, client.vm.resume('a'));
    assert.equal((await client.vm.show('a')).state, 'running');
    await host.endDaemon('SIGTERM');
  });
});
