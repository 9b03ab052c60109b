import assert from 'node:assert/strict';
import { test } from 'node:test';
import { abortErrors } from '@corral/core/abort';
import { newId } from '@corral/core/ids';
import { openMemoryStore } from '@corral/store/memory-store';
import { sampleVm } from '../../testing/sample-vm.ts';
import type { BackupHost } from '../backup-host.ts';
import { backupErrors } from '../errors.ts';
import { type PlanRecord, PlanRecords } from './plan-record.ts';
import { PlanRunner, type PlanRunnerOptions } from './plan-runner.ts';

const planOf = (createdAt: string): PlanRecord => ({
  id: newId(),
  name: 'nightly',
  createdAt,
  vmIds: null,
  repositoryId: newId(),
  schedule: { everyMs: 3_600_000 },
  retention: {},
  consistency: null,
  bytesPerSecond: null,
  lastRunAt: null,
});

test('a plan that missed several runs is caught up once; what cannot begin is told', async () => {
  const records = new PlanRecords(openMemoryStore());
  await records.create(planOf('2026-01-01T00:00:00.000Z'));
  const stop = new AbortController();
  const told: string[] = [];
  const vms = [
    { ...sampleVm({ name: 'web1' }), id: newId() },
    { ...sampleVm({ name: 'bad' }), id: newId() },
  ];
  const host = {
    records: { list: async () => vms.map((settings) => ({ settings })) },
    emit: async (type: string, { name }: { name: string }) => void told.push(`${type} ${name}`),
    log: { error: (problem: object) => told.push(JSON.stringify(problem)) },
  };
  const runner = new PlanRunner({
    backups: { host, connections: { records: { find: async () => null } } } as unknown as BackupHost,
    records,
    service: {
      run: async (vm: string) => {
        const { name } = vms.find(({ id }) => id === vm)!;
        if (name === 'bad') throw backupErrors['pass-through']({ vm: name, disk: 'lun' });
        told.push(`run ${name}`);
        return { id: newId() };
      },
    },
    wait: async () => {
      stop.abort(abortErrors.cancelled({ what: 'the test' }));
      return { state: 'succeeded' };
    },
  } as unknown as PlanRunnerOptions);
  await assert.rejects(runner.work(stop.signal), { code: 'core.cancelled' });
  assert.deepEqual(told.sort(), ['run web1', 'vm.backup-failed bad']);
  const [plan] = await records.list();
  assert.ok(Date.parse(plan!.lastRunAt!) > Date.now() - 60_000, 'the run counts from when it was made');
  assert.equal(
    await records.noteRun({ ...plan!, lastRunAt: null }, new Date()),
    false,
    'nobody runs it twice',
  );
});

test('a store that fails ends no schedules, and a VM that cannot begin keeps no other of its plan waiting', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const records = new PlanRecords(openMemoryStore());
  await records.create(planOf('2026-01-01T00:00:00.000Z'));
  const stop = new AbortController();
  const told: string[] = [];
  let isFull = true;
  const list = records.list.bind(records);
  records.list = async () => {
    if (!isFull) return await list();
    isFull = false;
    setImmediate(() => context.mock.timers.tick(60_000));
    throw new Error('database or disk is full');
  };
  const vms = [
    { ...sampleVm({ name: 'bad' }), id: newId() },
    { ...sampleVm({ name: 'web1' }), id: newId() },
  ];
  const host = {
    records: { list: async () => vms.map((settings) => ({ settings })) },
    emit: async (type: string, { name }: { name: string }, { reason }: { reason: string }) =>
      void told.push(`${type} ${name}: ${reason}`),
    log: { error: () => undefined },
  };
  const runner = new PlanRunner({
    backups: { host, connections: { records: { find: async () => null } } } as unknown as BackupHost,
    records,
    service: {
      run: async (vm: string) => {
        if (vm === vms[0]!.id) throw new Error('EIO');
        told.push('run web1');
        return { id: newId() };
      },
    },
    wait: async () => {
      stop.abort(abortErrors.cancelled({ what: 'the test' }));
      return { state: 'succeeded' };
    },
  } as unknown as PlanRunnerOptions);
  await assert.rejects(runner.work(stop.signal), { code: 'core.cancelled' });
  assert.deepEqual(told, ['vm.backup-failed bad: EIO', 'run web1']);
});

test('a name is given to one plan', async () => {
  const records = new PlanRecords(openMemoryStore());
  const plan = planOf('2026-01-01T00:00:00.000Z');
  await records.create(plan);
  await assert.rejects(records.create(planOf(plan.createdAt)), { code: 'backup.plan-exists' });
  assert.equal((await records.get('nightly')).id, plan.id);
  await records.delete(plan);
  await assert.rejects(records.get('nightly'), { code: 'backup.plan-not-found' });
});
