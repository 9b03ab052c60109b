/** Plans: backups that make themselves, their rules, and what is told of those that fail. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { it } from 'node:test';
import { PlanRecords } from '@corral/host/backup/plan/plan-record';
import { openSqliteStore } from '@corral/store/sqlite-store';
import { connectedRepository } from '../support/backups.ts';
import { OffVm } from '../support/off-vm.ts';
import { ended, eventually, succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

it('a plan is run, changed, keeps what its rules say, and tells what fails', async () => {
  await using host = await TestHost.start();
  const { client, data } = host;
  await connectedRepository(client, data);
  await connectedRepository(client, data, 'second');
  const vm = await OffVm.create(host, 'a', 2 ** 21);
  await OffVm.create(host, 'b', 2 ** 20);
  const own = await vm.backUp();
  await client.plan.create({
    name: 'often',
    repository: 'vault',
    schedule: { everyMs: 3_600_000 },
    vms: ['b'],
  });
  const changed = await client.plan.set('often', { vms: ['a'], retention: { last: 2 } });
  assert.deepEqual([changed.vms, changed.retention, changed.lastRunAt], [[vm.id], { last: 2 }, null]);

  for (let run = 1; run <= 3; run += 1) {
    await vm.write(0, randomBytes(4096));
    const { operations, refused } = await client.plan.run('often');
    assert.deepEqual([operations.length, refused], [1, []]);
    assert.equal((await ended(client, await client.operation.show(operations[0]!))).state, 'succeeded');
  }
  const { items } = await eventually(
    'the oldest of the plan is deleted',
    () => client.backup.list({}),
    ({ items: all }) => all.length === 3,
  );
  assert.deepEqual(
    items.map(({ id, plan }) => [id === own.id, plan]),
    [
      [true, null],
      [false, 'often'],
      [false, 'often'],
    ],
    'what was made by hand stays',
  );
  assert.ok((await client.plan.show('often')).lastRunAt);

  await client.plan.set('often', { repository: 'second' });
  await succeeded(client, client.repository.remove('second'));
  const failing = await client.plan.run('often');
  assert.deepEqual([failing.operations, failing.refused[0]?.vm], [[], 'a']);
  const { items: told } = await client.event.list({ type: 'vm.backup-failed' });
  assert.equal(told[0]?.subject?.name, 'a');
  await client.plan.delete('often');
  await assert.rejects(client.plan.show('often'), { code: 'backup.plan-not-found' });
});

it('a run that was missed while the daemon was away is caught up, once', async () => {
  await using host = await TestHost.start();
  const { client, data } = host;
  await connectedRepository(client, data);
  await OffVm.create(host, 'a', 2 ** 20);
  await client.plan.create({ name: 'nightly', repository: 'vault', schedule: { dailyAt: '22:30' } });
  await host.endDaemon('SIGTERM');
  await threeDaysAgo(data);
  await host.startDaemon();
  const { items } = await eventually(
    'it has run',
    () => client.backup.list({}),
    ({ items: made }) => made.length > 0,
  );
  assert.deepEqual(
    items.map(({ plan }) => plan),
    ['nightly'],
  );
  await host.restart('SIGKILL');
  const { lastRunAt, nextRunAt } = await client.plan.show('nightly');
  assert.ok(Date.parse(lastRunAt!) > Date.now() - 600_000 && Date.parse(nextRunAt) > Date.now());
});

/** As if it had run last then, and the host had been off since. */
async function threeDaysAgo(data: string): Promise<void> {
  await using store = await openSqliteStore({ file: join(data, 'corral.db') });
  const records = new PlanRecords(store);
  const { id } = await records.get('nightly');
  const lastRunAt = new Date(Date.now() - 3 * 86_400e3).toISOString();
  await records.update(id, (record) => ({ ...record, lastRunAt }));
}
