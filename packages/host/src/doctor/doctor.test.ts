import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { DoctorFinding } from '@corral/api/schemas/host';
import { openMemoryStore } from '@corral/store/memory-store';
import { DataDirectory } from '../data-directory.ts';
import { sampleVm } from '../testing/sample-vm.ts';
import type { VmRecord } from '../vm/vm-record.ts';
import { directoryDriver } from '../volume/directory-driver.ts';
import { VolumeRecords } from '../volume/volume-record.ts';
import { Volumes } from '../volume/volumes.ts';
import type { DoctorContext } from './check.ts';
import { doctorChecks, examine } from './doctor.ts';

const GiB = 2 ** 30;

/** What a sound host tells of itself; each test changes one fact. */
interface Bench {
  readonly context: DoctorContext;
  /** Writes a file below the folder that stands for /proc. */
  tell(path: string, text: string): Promise<void>;
}

async function soundHost(t: TestContext): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-doctor-'));
  t.after(() => rm(folder, { recursive: true }));
  const [root, proc, dev] = [join(folder, 'data'), join(folder, 'proc'), join(folder, 'dev')];
  for (const path of [root, join(root, 'vms'), join(root, 'run'), proc, dev]) await mkdir(path);
  const tell = async (path: string, text: string): Promise<void> => {
    await mkdir(join(proc, path, '..'), { recursive: true });
    await writeFile(join(proc, path), text);
  };
  await tell('meminfo', meminfo(16 * GiB, 12 * GiB));
  await tell('self/limits', 'Max open files            65536                65536                files\n');
  await tell('sys/vm/unprivileged_userfaultfd', '1\n');
  const directory = new DataDirectory(root);
  const volumes = new Volumes({
    records: new VolumeRecords(openMemoryStore()),
    directory,
    driver: directoryDriver,
    self: { id: 'h1', name: 'one' },
    separateUsers: false,
  });
  const context: DoctorContext = {
    directory,
    volumes,
    records: [],
    busy: new Set(),
    accelerator: { kind: 'kvm', reason: 'It was faster.' },
    controlGroups: { available: true, reason: 'Each VM has one.' },
    qemuVersion: '7.2.22',
    clockOffsetAtStartMs: 1000,
    clockOffsetNowMs: 1003,
    proc,
    dev,
    signal: new AbortController().signal,
  };
  return { context, tell };
}

const meminfo = (total: number, available: number): string =>
  `MemTotal: ${total / 1024} kB\nMemAvailable: ${available / 1024} kB\n`;

function running(name: string, memoryBytes: number): VmRecord {
  const settings = sampleVm({ name, memoryBytes });
  const startedAt = settings.createdAt;
  const process = {
    pid: 1,
    startTime: 1,
    bootId: 'b',
    startedAt,
    accelerator: 'kvm',
    applied: settings,
  } as const;
  return { settings, uid: null, process, saved: null, checkpointId: null };
}

async function check(name: string, context: DoctorContext): Promise<DoctorFinding> {
  const found = await doctorChecks[name]!(context);
  assert.equal(found.check, name);
  assert.equal(
    found.fix === null,
    found.severity === 'ok',
    'a finding has its fix, and nothing else has one',
  );
  return found;
}

describe('the doctor', () => {
  it('finds nothing on a sound host', async (t) => {
    const { context } = await soundHost(t);
    const { findings, worst } = await examine(context);
    assert.deepEqual(
      findings.filter(({ severity }) => severity !== 'ok'),
      [],
    );
    assert.equal(worst, 'ok');
    assert.deepEqual(new Set(findings.map((found) => found.check)), new Set(Object.keys(doctorChecks)));
  });

  it('tells that VMs are emulated', async (t) => {
    const { context } = await soundHost(t);
    const accelerator = { kind: 'tcg', reason: '/dev/kvm is not there.' } as const;
    const found = await check('accelerator', { ...context, accelerator });
    assert.equal(found.severity, 'warning');
    assert.match(found.detail, /TCG.*\/dev\/kvm is not there/);
    assert.match(found.fix!, /firmware/);
  });

  it('tells that VMs were promised more memory than there is, and names them', async (t) => {
    const { context } = await soundHost(t);
    const records = [running('web1', 8 * GiB), running('web2', 7.5 * GiB)];
    const found = await check('memory-reserve', { ...context, records });
    assert.equal(found.severity, 'warning');
    assert.deepEqual(found.things, ['web1', 'web2']);
    assert.match(found.fix!, /corral vm set NAME --memory/);
  });

  it('tells that other programs took the memory', async (t) => {
    const { context, tell } = await soundHost(t);
    await tell('meminfo', meminfo(16 * GiB, GiB / 2));
    assert.equal((await check('memory-reserve', context)).severity, 'warning');
  });

  it('tells that the clock was set', async (t) => {
    const { context } = await soundHost(t);
    const found = await check('clock', { ...context, clockOffsetNowMs: 61_000 });
    assert.match(found.detail, /moved by 60000 ms/);
    assert.match(found.fix!, /chrony/);
  });

  it('tells that QEMU is one that was never tried', async (t) => {
    const { context } = await soundHost(t);
    const found = await check('versions', { ...context, qemuVersion: '23.0.0' });
    assert.equal(found.severity, 'note');
    assert.match(found.detail, /23\.0\.0/);
  });

  it('tells that the kernel cannot watch memory at all', async (t) => {
    const { context } = await soundHost(t);
    await rm(join(context.proc, 'sys/vm/unprivileged_userfaultfd'));
    const found = await check('userfaultfd', context);
    assert.equal(found.severity, 'warning');
    assert.match(found.detail, /has no userfaultfd/);
  });

  it('is content when the daemon may lend userfaultfd, or QEMU can use a device that is open to all', async (t) => {
    const { context, tell } = await soundHost(t);
    await tell('sys/vm/unprivileged_userfaultfd', '0\n');
    assert.match((await check('userfaultfd', context)).detail, /for that moment/);
    await rm(join(context.proc, 'sys/vm/unprivileged_userfaultfd'));
    await writeFile(join(context.dev, 'userfaultfd'), '');
    const newer = { ...context, qemuVersion: '10.0.2' };
    assert.equal((await check('userfaultfd', newer)).severity, 'warning', 'only root may open the device');
    await chmod(join(context.dev, 'userfaultfd'), 0o666);
    assert.equal((await check('userfaultfd', newer)).severity, 'ok');
    assert.equal(
      (await check('userfaultfd', context)).severity,
      'warning',
      'QEMU 7.2 does not know the device',
    );
  });

  it('tells why VMs have no control groups', async (t) => {
    const { context } = await soundHost(t);
    const controlGroups = { available: false, reason: 'systemd does not run.', fix: 'Boot it.' } as const;
    const found = await check('control-groups', { ...context, controlGroups });
    assert.deepEqual([found.severity, found.fix], ['note', 'Boot it.']);
    assert.match(found.detail, /without limits.*systemd does not run/);
  });

  it('tells which VM is in no control group of its own', async (t) => {
    const { context, tell } = await soundHost(t);
    const record = running('web1', GiB);
    const records = [record];
    await tell('1/cgroup', '0::/system.slice/corrald.service\n');
    const found = await check('control-groups', { ...context, records });
    assert.deepEqual([found.severity, found.things], ['warning', ['web1']]);
    await tell('1/cgroup', `0::/corral.slice/corral-vm-${record.settings.id}.scope\n`);
    assert.equal((await check('control-groups', { ...context, records })).severity, 'ok');
  });

  it('tells that few files may be open', async (t) => {
    const { context, tell } = await soundHost(t);
    await tell('self/limits', 'Max open files            1024                 4096                 files\n');
    const found = await check('limits', context);
    assert.match(found.detail, /1024 files/);
    assert.match(found.fix!, /LimitNOFILE=/);
  });

  it('tells who has files of a VM open, but not of its QEMU', async (t) => {
    const { context, tell } = await soundHost(t);
    const disk = join(context.directory.root, 'vms/1/disks/data.qcow2');
    for (const [pid, name] of [
      ['1', 'qemu-system-x86'],
      ['77', 'clamd'],
    ] as const) {
      await tell(`${pid}/comm`, `${name}\n`);
      await mkdir(join(context.proc, pid, 'fd'));
      await symlink(disk, join(context.proc, pid, 'fd/3'));
    }
    const found = await check('foreign-openers', { ...context, records: [running('web1', GiB)] });
    assert.deepEqual(found.things, [`clamd (process 77) has ${disk}`]);
    assert.match(found.fix!, /exclude .* from scanners/);
  });

  it('tells of folders that belong to no VM, unless an operation is at work on them', async (t) => {
    const { context } = await soundHost(t);
    const folder = join(context.directory.root, 'vms/left');
    await mkdir(folder);
    const found = await check('left-overs', context);
    assert.deepEqual(found.things, [folder]);
    assert.equal((await check('left-overs', { ...context, busy: new Set(['left']) })).severity, 'ok');
  });

  it('tells that a check could not be made, and makes the others', async (t) => {
    const { context } = await soundHost(t);
    await rm(join(context.proc, 'meminfo'));
    const { findings, worst } = await examine(context);
    const failed = findings.filter(({ severity }) => severity !== 'ok');
    assert.deepEqual(
      failed.map((found) => found.check),
      ['memory-reserve'],
    );
    assert.equal(worst, 'error');
  });
});
