/** The life of a VM, with a real guest. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { generationIdInGuest } from '../support/generation-id.ts';
import { agentAnswers, bootedGuest, hashInGuest, inGuest } from '../support/guests.ts';
import { eventually, succeeded, vmInState } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const execute = promisify(execFile);

describe('a guest', () => {
  it('writes, is saved, comes back, and finds what it wrote and what ran', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await bootedGuest(client, {
      name: 'a',
      disks: [{ name: 'data', sizeBytes: 2 ** 28, filesystem: 'ext4' }],
    });
    await inGuest(client, 'a', 'dd if=/dev/urandom of=/mnt/data/file bs=64k count=64 && sync');
    const before = await hashInGuest(client, 'a', '/mnt/data/file');
    await inGuest(client, 'a', 'sleep 100000 </dev/null >/dev/null 2>&1 & echo $! > /tmp/pid');

    await succeeded(client, client.vm.save('a'));
    const saved = await client.vm.show('a');
    assert.deepEqual([saved.state, saved.pid], ['saved', null]);
    await succeeded(client, client.vm.start('a'));

    await agentAnswers(client, 'a');
    assert.equal(await hashInGuest(client, 'a', '/mnt/data/file'), before);
    await inGuest(client, 'a', 'kill -0 $(cat /tmp/pid)');
  });

  it('takes a disk and a port while it runs, and lets go of them', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await bootedGuest(client, { name: 'a' });
    await succeeded(client, client.vm.disk.add('a', { name: 'hot', sizeBytes: 2 ** 27, filesystem: 'ext4' }));
    await eventually(
      'the hot-added disk is mounted',
      () => client.guest.exec('a', { command: ['grep', '-q', '/mnt/hot', '/proc/mounts'] }),
      ({ exitCode }) => exitCode === 0,
    );
    await inGuest(client, 'a', 'echo content > /mnt/hot/file && sync && umount /mnt/hot');
    await succeeded(client, client.vm.port.add('a', { network: 'user' }));
    await eventually(
      'the guest has found the hot-added port',
      () => client.guest.exec('a', { command: ['ls', '/sys/class/net/eth1'] }),
      ({ exitCode }) => exitCode === 0,
    );

    await succeeded(client, client.vm.disk.remove('a', 'hot'));
    await succeeded(client, client.vm.port.remove('a', 'net1'));
    const vm = await client.vm.show('a');
    assert.deepEqual([vm.disks.length, vm.ports.length], [0, 1]);
    await assert.rejects(inGuest(client, 'a', 'ls /sys/class/net/eth1'));
  });

  it('shuts down through its agent', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await bootedGuest(client, { name: 'a' });
    await succeeded(client, client.vm.shutdown('a', {}));
    assert.equal((await client.vm.show('a')).state, 'off');
    const { items } = await client.event.list({ type: 'vm' });
    assert.ok(items.some(({ type }) => type === 'vm.guest-shutdown'));
  });

  it('is paused, resumed, reset and turned off', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await bootedGuest(client, { name: 'a' });
    await succeeded(client, client.vm.pause('a'));
    assert.equal((await client.vm.show('a')).state, 'paused');
    await succeeded(client, client.vm.resume('a'));
    await inGuest(client, 'a', 'touch /tmp/before-reset');
    await succeeded(client, client.vm.reset('a'));
    await eventually(
      'the guest booted anew',
      // While it boots its agent does not answer.
      () => client.guest.exec('a', { command: ['ls', '/tmp/before-reset'] }).catch(() => null),
      (result) => result?.exitCode === 1,
    );
    await succeeded(client, client.vm.stop('a'));
    assert.equal((await client.vm.show('a')).state, 'off');
  });

  it('is cloned with what is on its disks, under new ids and addresses', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await bootedGuest(client, {
      name: 'a',
      disks: [{ name: 'data', sizeBytes: 2 ** 28, filesystem: 'ext4' }],
    });
    await inGuest(client, 'a', 'head -c 1000000 /dev/urandom > /mnt/data/file && sync');
    const hash = await hashInGuest(client, 'a', '/mnt/data/file');
    await succeeded(client, client.vm.shutdown('a', {}));
    await succeeded(client, client.vm.clone('a', { name: 'b', start: true }));
    await vmInState(client, 'b', 'running');
    await agentAnswers(client, 'b');
    assert.equal(await hashInGuest(client, 'b', '/mnt/data/file'), hash);
    const [a, b] = [await client.vm.show('a'), await client.vm.show('b')];
    assert.notEqual(a.generationId, b.generationId);
    assert.equal(await generationIdInGuest(client, 'b'), b.generationId, 'the guest sees the new one');
    assert.notEqual(a.ports[0]?.mac, b.ports[0]?.mac);
  });
});

describe('QEMU outlives the daemon', () => {
  it('is the same process after kill -9 and a restart', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await bootedGuest(client, { name: 'a' });
    const { pid } = await client.vm.show('a');
    await host.restart('SIGKILL');
    assert.equal((await vmInState(client, 'a', 'running')).pid, pid);
    await inGuest(client, 'a', 'true');
  });

  it('that died while the daemon was away is told, with its last words', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await bootedGuest(client, { name: 'a' });
    const { pid } = await client.vm.show('a');
    await host.endDaemon('SIGKILL');
    process.kill(pid!, 'SIGKILL');
    await host.startDaemon();
    await vmInState(client, 'a', 'off');
    const { items } = await client.event.list({ type: 'vm.qemu-died' });
    assert.equal(items[0]?.data['whileDaemonWasAway'], true);
  });

  it('whose guest shut down while the daemon was away is found off, and said to have shut down', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await bootedGuest(client, { name: 'a' });
    await inGuest(client, 'a', '(sleep 1; poweroff -f) </dev/null >/dev/null 2>&1 &');
    await host.endDaemon('SIGKILL');
    await host.startDaemon();
    await vmInState(client, 'a', 'off');
    const { items } = await client.event.list({ type: 'vm' });
    assert.ok(items.some(({ type }) => type === 'vm.guest-shutdown'));
    assert.ok(!items.some(({ type }) => type === 'vm.qemu-died'));
  });
});

describe('ten VMs', () => {
  it('start at once, each as a user of its own that cannot open the disks and sockets of another', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const names = Array.from({ length: 10 }, (_, index) => `vm${index}`);
    await bootedGuest(client, { name: names[0]!, disks: [{ name: 'data', sizeBytes: 2 ** 20 }] });
    await Promise.all(
      names.slice(1).map((name) => bootedGuest(client, { name, memoryBytes: 128 * 2 ** 20 })),
    );
    const vms = (await client.vm.list({})).items;
    assert.deepEqual(new Set(vms.map(({ state }) => state)), new Set(['running']));
    const uids = await Promise.all(vms.map(({ pid }) => uidOf(pid!)));
    assert.equal(new Set(uids).size, 10);
    const { disks, id } = vms.find(({ name }) => name === 'vm0')!;
    const user = uids[vms.findIndex(({ name }) => name === 'vm1')]!;
    const stranger = { uid: user, gid: user };
    await assert.rejects(execute('head', ['-c', '1', disks[0]!.path], stranger), /Permission denied/);
    const sockets = (await readdir(join(host.data, 'run', id))).filter((name) => name.endsWith('.sock'));
    assert.ok(sockets.includes('qmp.sock') && sockets.includes('agent.sock'), String(sockets));
    for (const name of sockets) {
      const connect = ['-MIO::Socket::UNIX', '-e', 'IO::Socket::UNIX->new(Peer => shift) or die $!'];
      const path = join(host.data, 'run', id, name);
      await assert.rejects(execute('perl', [...connect, path], stranger), /Permission denied/);
    }
  });
});

async function uidOf(pid: number): Promise<number> {
  const { stdout } = await execute('stat', ['-c', '%u', `/proc/${pid}`]);
  return Number(stdout);
}
