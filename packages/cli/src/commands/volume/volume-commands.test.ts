import assert from 'node:assert/strict';
import test from 'node:test';
import type { Volume, VolumeCheck } from '@corral/api/schemas/volume';
import { parseDiskSource } from '../../parse/disk-source.ts';
import { FakeDaemon } from '../../testing/fake-daemon.ts';
import { runCli } from '../../testing/run-cli.ts';
import { doneOperation, idOf, sampleOperation, sampleVm } from '../../testing/samples.ts';

const GiB = 2 ** 30;

function sampleVolume(change: Partial<Volume> = {}): Volume {
  return {
    id: idOf('5'),
    name: 'fast',
    createdAt: '2026-01-01T00:00:00.000Z',
    kind: 'directory',
    path: '/srv/fast',
    local: false,
    state: 'held',
    stateReason: null,
    owner: { kind: 'host', id: idOf('4'), name: 'n1', since: '2026-01-01T00:00:00.000Z' },
    generation: 1,
    fileSystem: 'xfs',
    capabilities: {
      reflink: true,
      copyFileRange: true,
      sparseFiles: true,
      holePunching: true,
      directIo: false,
      folderSync: true,
    },
    totalBytes: 100 * GiB,
    freeBytes: 50 * GiB,
    allocatedBytes: 10 * GiB,
    provisionedBytes: 90 * GiB,
    overcommitRatio: 1.5,
    reserveBytes: 4 * GiB,
    belowReserve: false,
    usedBy: [],
    ...change,
  };
}

const accepted = {
  'volume.add': () => sampleOperation(),
  'volume.update': () => sampleOperation(),
  'volume.remove': () => sampleOperation(),
  'volume.release': () => sampleOperation(),
  'volume.seize': () => sampleOperation(),
  'volume.show': () => sampleVolume(),
  'operation.follow': async function* () {
    yield { id: 9, data: doneOperation() };
  },
};

test('a volume is added, changed, released, seized and removed', async () => {
  await using daemon = await FakeDaemon.start(accepted);
  const corral = (...args: readonly string[]) =>
    runCli(['volume', ...args, '--socket', daemon.socketPath], { currentDirectory: '/srv' });
  const bodyOf = (route: string) => daemon.requests.findLast((request) => request.route === route)?.body;

  const { stdout } = await corral('add', 'fast', 'fast', '--reserve', '1GiB');
  assert.match(stdout, /^Volume fast is added: xfs; reflink, .*; not direct I\/O\.\n$/);
  assert.deepEqual(bodyOf('volume.add'), { name: 'fast', path: '/srv/fast', reserveBytes: GiB });
  await corral('set', 'fast', '--reserve', 'default');
  assert.deepEqual(bodyOf('volume.update'), { reserveBytes: null });
  assert.equal((await corral('release', 'fast')).exitCode, 0);
  assert.equal((await corral('remove', 'fast')).exitCode, 0);

  const careless = await corral('seize', 'fast', '/srv/fast');
  assert.equal(careless.exitCode, 2);
  assert.match(careless.stderr, /--yes/);
  assert.equal(bodyOf('volume.seize'), undefined);
  await corral('seize', 'fast', '/srv/fast', '--yes');
  assert.deepEqual(bodyOf('volume.seize'), { path: '/srv/fast' });
  await corral('seize', 'fast', '--yes');
  assert.deepEqual(bodyOf('volume.seize'), {});
});

test('what a volume is like is shown to people', async () => {
  const lost = sampleVolume({ name: 'gone', state: 'missing', stateReason: 'Mount it.', totalBytes: null });
  const low = sampleVolume({ name: 'low', belowReserve: true });
  await using daemon = await FakeDaemon.start({
    'volume.list': () => ({ items: [sampleVolume(), lost, low], next: null }),
    'volume.show': () => lost,
  });
  const list = await runCli(['volume', 'list', '--socket', daemon.socketPath]);
  assert.match(list.stdout, /^fast +held +xfs +50 GiB +100 GiB +10 GiB +90 GiB +0 +\/srv\/fast$/m);
  assert.match(list.stdout, /^gone +missing/m);
  assert.match(list.stdout, /^low +below reserve/m);
  const { stdout } = await runCli(['volume', 'show', 'gone', '--socket', daemon.socketPath]);
  assert.match(stdout, /^Because +Mount it\.$/m);
  assert.match(stdout, /over-commitment 1\.5$/m);
});

test('a check that finds an error ends with 1', async () => {
  const finding = {
    problem: 'missing',
    severity: 'error',
    path: '/srv/fast/corral/vms/x/disks/a.qcow2',
    vm: 'web1',
    disk: 'a',
    detail: 'It is not there.',
  } as const;
  let report: VolumeCheck = {
    volume: 'fast',
    checkedAt: '2026-01-01T00:00:00.000Z',
    ok: false,
    vms: 1,
    files: 2,
    findings: [finding],
  };
  await using daemon = await FakeDaemon.start({ 'volume.check': () => report });
  const check = (...args: readonly string[]) =>
    runCli(['volume', 'check', 'fast', ...args, '--socket', daemon.socketPath]);
  const unsound = await check('--vm', 'web1');
  assert.equal(unsound.exitCode, 1);
  assert.match(unsound.stdout, /^missing +\/srv.*\(VM web1, disk a\): It is not there\.$/m);
  assert.deepEqual(daemon.requests[0]?.query, { vm: 'web1' });
  report = { ...report, ok: true, findings: [] };
  assert.equal((await check()).exitCode, 0);
});

test('a VM and its disks are placed, and it is said how disks were copied', async () => {
  assert.deepEqual(parseDiskSource('log=1GiB,volume=bulk'), { name: 'log', sizeBytes: GiB, volume: 'bulk' });
  assert.throws(() => parseDiskSource('lun=device:/dev/sdb,volume=bulk'), { code: 'cli.value' });
  const copies = [
    { disk: 'root', way: 'reflink' },
    { disk: 'data', way: 'read-write' },
  ];
  await using daemon = await FakeDaemon.start({
    'vm.create': () => sampleOperation(),
    'vm.show': () => sampleVm({ state: 'off' }),
    'operation.follow': async function* () {
      yield { id: 9, data: doneOperation({ output: { vmId: idOf('a'), startOperationId: null, copies } }) };
    },
  });
  const args = ['vm', 'create', 'web1', '--volume', 'fast', '--disk', 'log=1GiB,volume=bulk'];
  const { stdout } = await runCli([...args, '--socket', daemon.socketPath]);
  assert.equal(
    stdout,
    'VM web1 is created and off. Disk root: shares blocks with its original (reflink). Disk data: read and written.\n',
  );
  const { body } = daemon.requests.find(({ route }) => route === 'vm.create') ?? {};
  const { volume, disks } = body as { volume: string; disks: unknown };
  assert.deepEqual([volume, disks], ['fast', [{ name: 'log', sizeBytes: GiB, volume: 'bulk' }]]);
});
