import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { type ControlGroupFacts, judgeSupport, readControlGroupSupport } from './support.ts';

const sound: ControlGroupFacts = {
  isRoot: true,
  systemdRuns: true,
  controllers: ['cpuset', 'cpu', 'io', 'memory', 'pids'],
  systemBusRuns: true,
};

test('each thing that is missing is named with its fix', () => {
  assert.equal(judgeSupport(sound).available, true);
  const cases: readonly [Partial<ControlGroupFacts>, RegExp, RegExp][] = [
    [{ systemdRuns: false }, /systemd does not run/, /systemd has booted/],
    [{ isRoot: false }, /as root/, /as root/],
    [{ controllers: null }, /version 1/, /unified_cgroup_hierarchy/],
    [{ controllers: ['cpu', 'pids'] }, /no controller for memory/, /cgroup_enable/],
    [{ systemBusRuns: false }, /D-Bus/, /package dbus/],
  ];
  for (const [change, reason, fix] of cases) {
    const support = judgeSupport({ ...sound, ...change });
    assert.ok(!support.available);
    assert.match(support.reason, reason);
    assert.match(support.fix, fix);
  }
});

test('the host is looked at', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'corral-groups-'));
  t.after(() => rm(root, { recursive: true }));
  assert.match((await readControlGroupSupport(root)).reason, /systemd/);
  for (const folder of ['run/systemd/system', 'run/dbus', 'sys/fs/cgroup']) {
    await mkdir(join(root, folder), { recursive: true });
  }
  await writeFile(join(root, 'sys/fs/cgroup/cgroup.controllers'), 'cpu memory pids\n');
  await writeFile(join(root, 'run/dbus/system_bus_socket'), '');
  const isRoot = process.getuid?.() === 0;
  assert.equal((await readControlGroupSupport(root)).available, isRoot);
});
