/** A whole Debian guest: imported as a cloud's image is, and, since systemd has booted it, a host for control groups. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { scopeLimits } from '@corral/host/control-group/scope';
import { debianGuest } from '../support/debian-guest.ts';
import { agentAnswers, inGuest } from '../support/guests.ts';
import { eventually, succeeded } from '../support/operations.ts';
import { writeProjectDisk } from '../support/project-disk.ts';
import { SerialConsole } from '../support/serial-console.ts';
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

/** As deploy/systemd has it; in place of the daemon's command it waits until systemd would have ended the VM beside it. */
const guestsUnit = `[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/sh -c 'sleep 3; kill -0 $$(cat /run/vm.pid) && echo "the VM is still there" >/dev/ttyS0'
`;

describe('a Debian guest', () => {
  let host: TestHost;
  before(async () => {
    const path = await debianGuest((text) => process.stdout.write(`${text}\n`));
    host = await TestHost.start();
    const { client } = host;
    await succeeded(client, client.image.import({ path, name: 'debian' }));
    const project = join(host.data, 'project.raw');
    await writeProjectDisk(project);
    await succeeded(
      client,
      client.vm.create({
        name: 'a',
        image: 'debian',
        linked: true,
        memoryBytes: 512 * MiB,
        disks: [{ name: 'project', from: project, format: 'raw' }],
        seed: { hostname: 'web1', sshKeys: [sshKey], userData },
      }),
    );
    await succeeded(client, client.vm.start('a'));
    await agentAnswers(client, 'a', bootLimitMs);
  });
  after(() => host?.[Symbol.asyncDispose]());

  it('gets its name, its key and its user data from the seed', async () => {
    const { client } = host;
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
  });

  it('puts a VM of its own into a control group, which ends after the VMs were saved', async () => {
    const { client } = host;
    await inGuest(client, 'a', 'mount -o ro /dev/disk/by-label/project /mnt');
    const placed = JSON.parse(
      await inGuest(client, 'a', '/mnt/node /mnt/project/in-guest/place-vm.ts /run/vm.pid'),
    );
    assert.deepEqual(placed.warnings, []);
    assert.equal(placed.support.available, true, placed.support.reason);
    assert.match(placed.group, /^\/corral\.slice\/corral-vm-.*\.scope$/);
    assert.equal(placed.groupAgain, placed.group);
    assert.equal(placed.owner, 1_900_000_000, 'it keeps its user');
    const limits = scopeLimits({ id: '', name: '', cpus: 2, memoryBytes: 256 * MiB });
    assert.deepEqual(placed.limits, [String(limits.memoryBytes), '400000 100000', '1026']);
    const { memoryBytes, ...counts } = placed.figures;
    assert.ok(memoryBytes >= 0, 'what was allocated before stays on the old account');
    assert.deepEqual(counts, { throttledSeconds: 0, outOfMemoryKills: 0 });
    assert.match(placed.scope, /^Slice=corral\.slice$/m);
    assert.match(placed.scope, /^Before=.*corral-guests\.service/m);

    const unit = '/etc/systemd/system/corral-guests.service';
    const written = Buffer.from(guestsUnit).toString('base64');
    await inGuest(client, 'a', `echo ${written} | base64 -d >${unit} && systemctl start corral-guests`);
    using console = await SerialConsole.open(client, 'a');
    const shutdown = succeeded(client, client.vm.shutdown('a', {}));
    await console.until(/the VM is still there/);
    await shutdown;
  });
});
