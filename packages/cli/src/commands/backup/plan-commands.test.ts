import assert from 'node:assert/strict';
import test from 'node:test';
import type { BackupPlan } from '@corral/api/schemas/backup-plan';
import { FakeDaemon } from '../../testing/fake-daemon.ts';
import { runCli } from '../../testing/run-cli.ts';
import { idOf } from '../../testing/samples.ts';

const plan: BackupPlan = {
  id: idOf('7'),
  name: 'nightly',
  createdAt: '2026-01-01T00:00:00.000Z',
  vms: null,
  repository: { id: idOf('8'), name: 'vault' },
  schedule: { dailyAt: '22:30' },
  retention: {},
  consistency: null,
  bytesPerSecond: null,
  lastRunAt: null,
  nextRunAt: '2026-01-01T22:30:00.000Z',
};

test('a plan is changed in what is given, and run at once', async () => {
  await using daemon = await FakeDaemon.start({
    'plan.set': () => plan,
    'plan.run': () => ({ operations: [idOf('9')], refused: [{ vm: 'db1', reason: 'It has a device.' }] }),
  });
  const corral = (...args: readonly string[]) =>
    runCli(['backup', 'plan', ...args, '--socket', daemon.socketPath]);
  const set = await corral('set', 'nightly', '--every', '6h', '--all-vms', '--bandwidth', '10MiB');
  assert.match(set.stdout, /runs next at 2026-01-01T22:30/);
  assert.deepEqual(daemon.requests[0]?.body, {
    schedule: { everyMs: 21_600_000 },
    vms: null,
    bytesPerSecond: 10 * 2 ** 20,
  });
  const both = await corral('set', 'nightly', '--every', '6h', '--daily-at', '10:00');
  assert.match(both.stderr, /one of --every and --daily-at/);
  assert.match((await corral('run', 'nightly')).stdout, /begun 1 backups: .* db1: It has a device\./);
});

test('how the changes of a VM are tracked is shown, and set where something is given', async () => {
  const disk = {
    name: 'data',
    sizeBytes: 2 ** 30,
    auditedAt: plan.createdAt,
    auditedBytes: 2 ** 20,
    provedAt: plan.createdAt,
    suspect: { foundAt: plan.createdAt, offset: 65_536, length: 65_536 },
  };
  const repository = { id: idOf('8'), name: 'vault', backupId: idOf('9'), since: plan.createdAt };
  const tracking = {
    mode: 'changes' as const,
    auditDays: 30,
    repositories: [{ ...repository, disks: [disk] }],
  };
  await using daemon = await FakeDaemon.start({
    'tracking.show': () => tracking,
    'tracking.set': () => ({ ...tracking, auditDays: 7 }),
  });
  const corral = (...args: readonly string[]) =>
    runCli(['backup', 'tracking', 'web1', ...args, '--socket', daemon.socketPath]);
  const { stdout } = await corral();
  assert.match(stdout, /every byte within 30 days/);
  assert.match(stdout, /65536 bytes at 65536 differ/);
  assert.match((await corral('--audit-days', '7')).stdout, /within 7 days/);
  assert.deepEqual(
    daemon.requests.map(({ route }) => route),
    ['tracking.show', 'tracking.set'],
  );
});
