import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { type Answers, FakeDaemon } from '../../testing/fake-daemon.ts';
import { type CliSurroundings, runCli } from '../../testing/run-cli.ts';
import {
  doneOperation,
  idOf,
  sampleDisk,
  sampleOperation,
  samplePort,
  sampleVm,
} from '../../testing/samples.ts';

const done: Answers = {
  'operation.follow': async function* () {
    yield { id: 9, data: doneOperation() };
  },
  'vm.show': () => sampleVm(),
};

/** Runs a command and returns the one request of it that is not about following. */
async function requestOf(route: keyof Answers, args: readonly string[], around?: CliSurroundings) {
  await using daemon = await FakeDaemon.start({ ...done, [route]: () => sampleOperation() });
  const result = await runCli([...args, '--socket', daemon.socketPath], around);
  const request = daemon.requests.find((candidate) => candidate.route === route);
  assert.ok(request, result.stderr);
  return { ...result, request };
}

test('create asks for what was given and leaves the rest to the daemon', async () => {
  const { request, exitCode } = await requestOf('vm.create', ['vm', 'create', 'web1', '--image', 'micro']);
  assert.equal(exitCode, 0);
  const { disks, ports, linked, start } = request.body as Record<string, unknown>;
  assert.deepEqual(
    { disks, ports, linked, start },
    { disks: [], ports: undefined, linked: false, start: false },
  );
});

test('create takes every setting', async () => {
  await using files = await temporaryFolder();
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDkf9E me';
  await writeFile(join(files.path, 'key.pub'), `${key}\n`);
  const { request } = await requestOf(
    'vm.create',
    [
      ...['vm', 'create', 'db1', '--image', 'debian', '--linked', '--profile', 'linux', '--cpus', '4'],
      ...['--memory', '2GiB', '--disk', 'data=1GiB,format=ext4', '--disk', 'old=from:old.qcow2'],
      ...['--network', 'bridge:br0', '--network', 'user', '--iso', '/srv/x.iso', '--firmware', 'uefi'],
      ...['--secure-boot', '--no-tpm', '--boot', 'cdrom,disk:data', '--ssh-key', 'key.pub', '--ssh-key', key],
      ...['--hostname', 'db1', '--user-data', '-', '--autostart', '5:10s', '--autostop', 'shutdown'],
      ...['--kernel', 'bzImage', '--cmdline', 'quiet', '--keep-checkpoints'],
    ],
    { currentDirectory: files.path, stdin: '#cloud-config\n' },
  );
  assert.deepEqual(request.body, {
    name: 'db1',
    image: 'debian',
    linked: true,
    profile: 'linux',
    cpus: 4,
    memoryBytes: 2 ** 31,
    disks: [
      { name: 'data', sizeBytes: 2 ** 30, filesystem: 'ext4' },
      { name: 'old', from: join(files.path, 'old.qcow2') },
    ],
    ports: [{ network: 'bridge:br0' }, { network: 'user' }],
    iso: '/srv/x.iso',
    firmware: 'uefi',
    secureBoot: true,
    tpm: false,
    bootOrder: ['cdrom', 'disk:data'],
    kernel: { kernel: join(files.path, 'bzImage'), initrd: null, cmdline: 'quiet' },
    seed: { hostname: 'db1', sshKeys: [key, key], userData: '#cloud-config\n' },
    autostart: { order: 5, delayMs: 10_000 },
    autostop: 'shutdown',
    keepCheckpoints: true,
    start: false,
  });
});

test('--network none makes a VM without a port, and stands alone', async () => {
  const { request } = await requestOf('vm.create', ['vm', 'create', 'a', '--network', 'none']);
  assert.deepEqual((request.body as { ports: unknown }).ports, []);
  const both = await runCli(['vm', 'create', 'a', '--network', 'none', '--network', 'user']);
  assert.equal(both.exitCode, 2);
});

test('set changes what is named, takes away what --no names, and says what waits for the next start', async () => {
  await using daemon = await FakeDaemon.start({
    ...done,
    'vm.update': () => sampleOperation(),
    'vm.show': () => sampleVm({ pendingRestart: ['cpus'] }),
  });
  const args = ['vm', 'set', 'web1', '--cpus', '2', '--no-iso', '--no-autostart', '--no-kernel', '--no-tpm'];
  const { stdout } = await runCli([...args, '--socket', daemon.socketPath]);
  assert.equal(stdout, 'VM web1 is changed; from its next start: cpus.\n');
  const [request] = daemon.requests;
  assert.deepEqual(request?.body, { cpus: 2, iso: null, autostart: null, kernel: null, tpm: false });
  assert.equal(request?.headers['if-match'], '*');
  await runCli(['vm', 'set', 'web1', '--memory', '1GiB', '--generation', '7', '--socket', daemon.socketPath]);
  assert.equal(daemon.requests.findLast(({ route }) => route === 'vm.update')?.headers['if-match'], '"7"');
});

test('each action asks for itself', async () => {
  for (const verb of ['start', 'stop', 'pause', 'resume', 'save', 'discard-saved', 'reset'] as const) {
    const { request, exitCode } = await requestOf(`vm.${verb}`, ['vm', verb, 'web1']);
    assert.equal(exitCode, 0, verb);
    assert.deepEqual(request.params, { vm: 'web1' });
  }
});

test('shutdown, rename, clone and delete hand on what they were given', async () => {
  const shutdown = await requestOf('vm.shutdown', ['vm', 'shutdown', 'web1', '--limit', '5m', '--force']);
  assert.deepEqual(shutdown.request.body, { limitMs: 300_000, force: true });
  const rename = await requestOf('vm.update', ['vm', 'rename', 'web1', 'web2']);
  assert.deepEqual(rename.request.body, { name: 'web2' });
  const clone = await requestOf('vm.clone', ['vm', 'clone', 'web1', 'web2', '--start']);
  assert.deepEqual(clone.request.body, { name: 'web2', start: true });
  const removal = await requestOf('vm.delete', ['vm', 'delete', 'web1']);
  assert.equal(removal.stdout, 'VM web1 is deleted.\n');
});

test('disks and ports are added and removed', async () => {
  const lists: Answers = {
    'vm.disk.list': () => ({ items: [sampleDisk({ name: 'data' })], next: null }),
    'vm.disk.add': () => sampleOperation(),
    'vm.disk.remove': () => sampleOperation(),
    'vm.port.add': () => sampleOperation(),
    'vm.port.remove': () => sampleOperation(),
  };
  let ports = [samplePort()];
  await using daemon = await FakeDaemon.start({
    ...done,
    ...lists,
    'vm.port.list': () => ({ items: ports, next: null }),
    'vm.port.add': () => {
      ports = [...ports, samplePort({ id: idOf('1'), name: 'nic1' })];
      return sampleOperation();
    },
  });
  const corral = (...args: readonly string[]) => runCli([...args, '--socket', daemon.socketPath]);
  const disk = await corral('vm', 'disk', 'add', 'web1', 'data=1GiB', '-o', 'json');
  assert.equal((JSON.parse(disk.stdout) as { name: string }).name, 'data');
  const port = await corral('vm', 'port', 'add', 'web1', 'user', '-o', 'json');
  assert.equal((JSON.parse(port.stdout) as { name: string }).name, 'nic1');
  await corral('vm', 'disk', 'remove', 'web1', 'data', '--keep');
  const removal = daemon.requests.find(({ route }) => route === 'vm.disk.remove');
  assert.deepEqual([removal?.params['disk'], removal?.query['keep']], ['data', 'true']);
  assert.equal((await corral('vm', 'port', 'remove', 'web1', 'nic1')).exitCode, 0);
});

test('display prints an address for viewers, by way of TLS where the daemon has it', async () => {
  const ticket = {
    ticket: 'secret',
    kind: 'display' as const,
    path: `/v1/vms/${idOf('a')}/display?ticket=secret`,
    expiresAt: '2025-03-01T12:01:00.000Z',
  };
  await using daemon = await FakeDaemon.start({ 'vm.ticket.create': () => ticket });
  const { stdout } = await runCli(['vm', 'display', 'web1', '-o', 'json', '--socket', daemon.socketPath]);
  assert.deepEqual(JSON.parse(stdout), ticket);
});

async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'corral-cli-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

test('register and clone say where networks and disks go; a bare name is a bridge', async () => {
  const registered = await requestOf('vm.register', [
    ...['vm', 'register', '/srv/x', '--copy', '--switch', 'lan=br0', '--switch', 'bridge:dmz=user'],
  ]);
  assert.deepEqual(registered.request.body, {
    directory: '/srv/x',
    copy: true,
    differentials: [],
    newId: false,
    switches: { 'bridge:lan': 'bridge:br0', 'bridge:dmz': 'user' },
  });
  const cloned = await requestOf('vm.clone', ['vm', 'clone', 'a', 'b', '--volume', 'fast']);
  assert.deepEqual(cloned.request.body, { name: 'b', start: false, volume: 'fast' });
});
