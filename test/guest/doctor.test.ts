/**
 * `host doctor` on a host that was really brought into each state; what it cannot be brought into (another accelerator, a
 * clock that was set) has unit tests beside the doctor, and volumes have theirs in test/volume.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Client } from '@corral/api/client.gen';
import type { DoctorFinding } from '@corral/api/schemas/host';
import { succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const execute = promisify(execFile);

const MiB = 2 ** 20;

async function finding(client: Client, check: string): Promise<DoctorFinding> {
  const { findings } = await client.host.doctor();
  return findings.find((found) => found.check === check)!;
}

/** A process that does nothing, under the name and the arguments of another. */
function disguised(
  name: string,
  args: readonly string[],
  { fd = 'ignore', cwd }: { readonly fd?: number | 'ignore'; readonly cwd?: string } = {},
): AsyncDisposable & {
  readonly pid: number;
} {
  const child: ChildProcess = spawn('tail', ['-f', '/dev/null', ...args], {
    argv0: name,
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ['ignore', 'ignore', 'ignore', fd],
  });
  const ended = once(child, 'exit');
  return {
    pid: child.pid!,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** A monitor of a QEMU that nobody has seen yet, which answers what the daemon asks of each. */
const newerQemu = `#!${process.execPath}
const { createServer } = require('node:net');
const qmp = process.argv[process.argv.indexOf('-qmp') + 1];
const send = (socket, message) => socket.write(JSON.stringify(message) + '\\r\\n');
const answers = {
  'query-machines': [{ name: 'pc-q35-23.0', alias: 'q35', 'cpu-max': 1, 'hotpluggable-cpus': true, 'numa-mem-supported': true, deprecated: false }],
  'query-cpu-definitions': [],
};
createServer((socket) => {
  send(socket, { QMP: { version: { qemu: { major: 23, minor: 0, micro: 0 }, package: '' }, capabilities: [] } });
  socket.on('data', (data) => {
    const { execute, id } = JSON.parse(data);
    send(socket, { return: answers[execute] ?? {}, id });
  });
}).listen(qmp.slice('unix:'.length).split(',')[0]);
`;

describe('the doctor finds', () => {
  it('a program that has a file of a VM open, as long as it has', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await succeeded(client, client.vm.create({ name: 'a', disks: [{ name: 'data', sizeBytes: MiB }] }));
    const { path } = (await client.vm.show('a')).disks[0]!;
    {
      await using file = await open(path, 'r');
      await using scanner = disguised('scanner', [], { fd: file.fd });
      const found = await finding(client, 'foreign-openers');
      assert.equal(found.severity, 'error');
      assert.ok(found.things.some((thing) => thing === `tail (process ${scanner.pid}) has ${path}`));
      assert.match(found.fix!, /exclude/);
    }
    assert.equal((await finding(client, 'foreign-openers')).severity, 'ok');
  });

  it('a device, folders and processes that belong to no VM', async () => {
    await using host = await TestHost.start();
    const { client, data } = host;
    assert.equal((await finding(client, 'left-overs')).severity, 'ok');
    const id = crypto.randomUUID();
    const tap = `ct${randomBytes(6).toString('hex')}`;
    {
      await using stack = new AsyncDisposableStack();
      await execute('ip', ['tuntap', 'add', 'dev', tap, 'mode', 'tap']);
      stack.defer(async () => void (await execute('ip', ['link', 'delete', tap])));
      for (const parent of ['vms', 'run']) {
        await mkdir(join(data, parent, id));
        stack.defer(() => rm(join(data, parent, id), { recursive: true }));
      }
      const qemu = stack.use(disguised('qemu-system-x86_64', [`${data}/vms/${id}`]));
      const swtpm = stack.use(disguised('swtpm', [`dir=vms/${id}/tpm`], { cwd: data }));
      const found = await finding(client, 'left-overs');
      assert.equal(found.severity, 'warning');
      const expected = [
        `QEMU process ${qemu.pid}`,
        `swtpm process ${swtpm.pid}`,
        join(data, 'vms', id),
        join(data, 'run', id),
        `network device ${tap}`,
      ];
      assert.deepEqual(
        expected.filter((thing) => !found.things.includes(thing)),
        [],
      );
      assert.match(found.fix!, /"kill"/);
    }
    assert.equal((await finding(client, 'left-overs')).severity, 'ok');
  });

  it('that little space is left', async () => {
    await using host = await TestHost.start({ volumeBytes: 256 * MiB });
    const { client, data } = host;
    assert.equal((await finding(client, 'space')).severity, 'ok');
    const { bavail, bsize } = await statfs(data);
    await writeFile(join(data, 'filler'), Buffer.alloc(bavail * bsize - 8 * MiB));
    const found = await finding(client, 'space');
    assert.deepEqual([found.severity, found.things], ['error', [data]]);
    assert.match(found.fix!, /Free some space/);
    await rm(join(data, 'filler'));
    assert.equal((await finding(client, 'space')).severity, 'ok');
  });

  it('that the daemon may open few files', async () => {
    await using host = await TestHost.start();
    const { client, daemonPid } = host;
    const limit = async (soft: number): Promise<void> =>
      void (await execute('prlimit', [`--pid=${daemonPid}`, `--nofile=${soft}:`]));
    await limit(4096);
    assert.equal((await finding(client, 'limits')).severity, 'ok');
    await limit(1024);
    assert.match((await finding(client, 'limits')).detail, /1024 files/);
  });

  it('that little memory is left, and that QEMU may not watch its own', async () => {
    await using host = await TestHost.start({
      mounts: `
        meminfo=$(mktemp)
        sed 's/^MemAvailable:.*/MemAvailable: 65536 kB/' /proc/meminfo >"$meminfo"
        mount --bind "$meminfo" /proc/meminfo
        rm "$meminfo"
        echo 0 | diff -q - /proc/sys/vm/unprivileged_userfaultfd
        mount --bind /proc/sys/vm /proc/sys/vm
        mount -o remount,bind,ro /proc/sys/vm`,
    });
    const memory = await finding(host.client, 'memory-reserve');
    assert.equal(memory.severity, 'warning');
    assert.match(memory.detail, /64 MiB are available/);
    assert.match(memory.fix!, /Stop or save a VM/);
    const userfaultfd = await finding(host.client, 'userfaultfd');
    assert.equal(userfaultfd.severity, 'warning');
    assert.match(userfaultfd.fix!, /sysctl/);
  });

  it('a VM that systemd gave no control group, and that runs all the same', async () => {
    await using host = await TestHost.start({
      mounts: `
        mount -t tmpfs tmpfs /run
        mkdir -p /run/systemd/system /run/dbus
        touch /run/dbus/system_bus_socket
        mount -t tmpfs tmpfs /sys/fs/cgroup
        echo cpu memory pids >/sys/fs/cgroup/cgroup.controllers`,
    });
    const { client } = host;
    assert.equal((await finding(client, 'control-groups')).severity, 'ok');
    await succeeded(client, client.vm.create({ name: 'a', memoryBytes: 64 * MiB }));
    await succeeded(client, client.vm.start('a'));
    const found = await finding(client, 'control-groups');
    assert.deepEqual([found.severity, found.things], ['warning', ['a']]);
    assert.match(found.fix!, /log of corrald/);
    assert.match(host.output, /it has no control group of its own/);
    assert.equal((await client.vm.show('a')).state, 'running');
  });

  it('a QEMU that is newer than any that was tried', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'corral-qemu-'));
    try {
      const path = join(folder, 'qemu');
      await writeFile(path, newerQemu, { mode: 0o755 });
      await using host = await TestHost.start({ env: { CORRAL_QEMU: path, CORRAL_CACHE: folder } });
      const found = await finding(host.client, 'versions');
      assert.equal(found.severity, 'note');
      assert.match(found.detail, /QEMU 23\./);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('what this host has, as it shows itself', async () => {
    await using host = await TestHost.start();
    const { accelerator, controlGroups } = await host.client.host.show();
    const found = await finding(host.client, 'accelerator');
    assert.equal(found.severity, accelerator.kind === 'kvm' ? 'ok' : 'warning');
    assert.ok(found.detail.includes(accelerator.reason));
    const groups = await finding(host.client, 'control-groups');
    assert.equal(groups.severity, controlGroups.available ? 'ok' : 'note');
    assert.ok(groups.detail.includes(controlGroups.reason));
    assert.equal((await finding(host.client, 'userfaultfd')).severity, 'ok', 'the daemon may lend it');
  });
});
