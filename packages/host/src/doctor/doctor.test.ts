import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
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

  it('tells that memory cannot be watched, unless a device lets it', async (t) => {
    const { context, tell } = await soundHost(t);
    await tell('sys/vm/unprivileged_userfaultfd', '0\n');
    assert.match((await check('userfaultfd', context)).fix!, /sysctl -w vm\.unprivileged_userfaultfd=1/);
    await writeFile(join(context.dev, 'userfaultfd'), '');
    assert.equal((await check('userfaultfd', context)).severity, 'ok');
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
