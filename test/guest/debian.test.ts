/** A whole Debian guest, imported as a cloud's image is. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { debianGuest } from '../support/debian-guest.ts';
import { agentAnswers, inGuest } from '../support/guests.ts';
import { eventually, succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const MiB = 2 ** 20;
/** Half a minute on an idle host that emulates. */
const bootLimitMs = 420_000;
const sshKey =
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl alice@example';
const userData = `#cloud-config
write_files:
  - path: /etc/corral-test
    content: from user-data
`;

describe('a Debian guest', () => {
  it('gets its name, its key and its user data from the seed', async (t) => {
    const path = await debianGuest((text) => t.diagnostic(text));
    await using host = await TestHost.start();
    const { client } = host;
    await succeeded(client, client.image.import({ path, name: 'debian' }));
    await succeeded(
      client,
      client.vm.create({
        name: 'a',
        image: 'debian',
        linked: true,
        memoryBytes: 512 * MiB,
        seed: { hostname: 'web1', sshKeys: [sshKey], userData },
      }),
    );
    await succeeded(client, client.vm.start('a'));
    await agentAnswers(client, 'a', bootLimitMs);
    await eventually(
      'cloud-init is done',
      () => client.guest.exec('a', { command: ['test', '-e', '/run/cloud-init/result.json'] }),
      ({ exitCode }) => exitCode === 0,
      bootLimitMs,
    );
    const result = JSON.parse(await inGuest(client, 'a', 'cat /run/cloud-init/result.json'));
    assert.deepEqual(result.v1.errors, []);
    assert.match(result.v1.datasource, /NoCloud/);
    assert.equal((await inGuest(client, 'a', 'hostname')).trim(), 'web1');
    assert.match(
      await inGuest(client, 'a', 'cat /home/debian/.ssh/authorized_keys'),
      new RegExp(sshKey.slice(0, 60)),
    );
    assert.equal(await inGuest(client, 'a', 'cat /etc/corral-test'), 'from user-data');
    const info = await client.guest.info('a');
    assert.equal(info.hostname, 'web1');
    assert.match(info.osName ?? '', /Debian/);
    assert.ok(info.addresses.some(({ family, address }) => family === 'ipv4' && address !== '127.0.0.1'));
    await succeeded(client, client.vm.shutdown('a', {}));
  });
});
