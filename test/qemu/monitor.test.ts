import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import { waitForJob } from '@corral/qmp/job-waiter';
import { QmpClient } from '@corral/qmp/qmp-client';
import { binaryKey, QmpFeatureCache } from '@corral/qmp/qmp-feature-cache';
import { QEMU, startMachine } from './support/machine.ts';
import { findProgram, missing, runTool } from './support/tool-process.ts';

const skip = missing(QEMU, 'qemu-img');
const limits = { limitMs: 30_000 };
const sources = new URL('../../packages/qmp/src/', import.meta.url);

/** The names that a table of types declares. */
async function declared(file: string, pattern: RegExp): Promise<string[]> {
  const text = await readFile(new URL(file, sources), 'utf8');
  return [...text.matchAll(pattern)].map((match) => match[1]!);
}

test('every command and event that is typed exists in this QEMU', { skip }, async () => {
  await using machine = await startMachine('-machine', 'none');
  const features = await new QmpFeatureCache().of(machine.monitor, await binaryKey(findProgram(QEMU)!));
  const tables = ['machine', 'block', 'device', 'migration'].map((name) => `commands/${name}.ts`);
  const commands = await Promise.all(tables.map((file) => declared(file, /^ {2}'?([a-z_-]+)'?: Command</gm)));
  const events = await declared('qmp-events.ts', /^ {2}([A-Z][A-Z_]+): /gm);
  assert.ok(commands.flat().length > 90 && events.length > 35);
  assert.deepEqual(
    commands.flat().filter((name) => !features.hasCommand(name)),
    [],
  );
  assert.deepEqual(
    events.filter((name) => !features.hasEvent(name)),
    [],
  );
});

test('features are read from the schema of the binary', { skip }, async () => {
  await using machine = await startMachine('-machine', 'none');
  const cache = new QmpFeatureCache();
  const { pid } = machine.process;
  const features = await cache.of(machine.monitor, await binaryKey(`/proc/${pid}/exe`));
  assert.equal(await cache.of(machine.monitor, await binaryKey(findProgram(QEMU)!)), features);
  const capability = ['capabilities', 'capability'];
  assert.equal(features.hasValue('migrate-set-capabilities', capability, 'background-snapshot'), true);
  assert.equal(features.hasValue('migrate-set-capabilities', capability, 'levitation'), false);
  assert.equal(features.hasArgument('block-export-add', 'allocation-depth'), true);
  assert.equal(features.hasArgument('blockdev-reopen', 'options', 'backing'), true);
  assert.equal(features.hasReturn('query-named-block-nodes', 'dirty-bitmaps', 'inconsistent'), true);
  assert.equal(features.hasFeature('device_add', 'json-cli-hotplug'), true);
});

test('a machine is asked for its state and figures', { skip }, async () => {
  await using machine = await startMachine('-machine', 'q35', '-m', '64', '-smp', '2');
  const { monitor } = machine;
  assert.deepEqual((await monitor.execute('query-status')).status, 'prelaunch');
  assert.equal((await monitor.execute('query-cpus-fast')).length, 2);
  assert.equal((await monitor.execute('query-memory-size-summary'))['base-memory'], 64 * 2 ** 20);
  assert.ok((await monitor.execute('query-machines')).some(({ name }) => name === 'pc-q35-7.2'));
  assert.ok((await monitor.execute('query-cpu-definitions')).some(({ name }) => name === 'qemu64'));
  assert.match(await monitor.execute('human-monitor-command', { 'command-line': 'info version' }), /^\d/);
  await assert.rejects(monitor.execute('query-balloon'), (error) =>
    isCorralError(error, 'qmp.device-not-active'),
  );
  await assert.rejects(monitor.execute('device_del', { id: 'none' }), (error) =>
    isCorralError(error, 'qmp.device-not-found'),
  );
});

test('resume and stop are waited for by the level', { skip }, async () => {
  await using machine = await startMachine('-machine', 'q35', '-m', '64');
  const { monitor } = machine;
  using events = monitor.events('RESUME', 'STOP');
  const level = async (signal: AbortSignal): Promise<true | undefined> =>
    (await monitor.execute('query-status', {}, { signal })).running ? true : undefined;
  const running = monitor.waitFor('The machine', level, { events: ['RESUME'], ...limits });
  await monitor.execute('cont');
  assert.equal(await running, true);
  await monitor.execute('stop');
  assert.equal((await events.next()).value?.name, 'RESUME');
  assert.equal((await events.next()).value?.name, 'STOP');
});

test('a command out of band is answered', { skip }, async () => {
  await using machine = await startMachine('-machine', 'none');
  assert.equal(machine.monitor.outOfBand, true);
  const instances = await machine.monitor.executeOutOfBand('query-yank');
  assert.deepEqual(
    instances.map(({ type }) => type),
    ['chardev'],
  );
});

test('the end of QEMU is told to who waits, by quit and by kill', { skip }, async () => {
  await using quitting = await startMachine('-machine', 'none');
  const events = quitting.monitor.events('SHUTDOWN');
  await quitting.monitor.execute('quit');
  const { value } = await events.next();
  assert.equal(value?.data.reason, 'host-qmp-quit');
  assert.ok(isCorralError(await quitting.monitor.closed, 'qmp.connection-lost'));
  await using killed = await startMachine('-machine', 'none');
  const wait = killed.monitor.waitFor('Nothing', async () => undefined, { events: [], ...limits });
  killed.process.kill('SIGKILL');
  await assert.rejects(wait, (error) => isCorralError(error, 'qmp.connection-lost'));
  await killed.process.ended();
});

test('a monitor that another client holds does not greet, and says so', { skip }, async () => {
  await using machine = await startMachine('-machine', 'none');
  const second = QmpClient.connect(machine.monitor.path, { limitMs: 100 });
  await assert.rejects(second, (error) => isCorralError(error, 'qmp.no-greeting'));
  await machine.monitor.close();
  await using third = await QmpClient.connect(machine.monitor.path);
  assert.equal(third.outOfBand, true);
});

test('a commit is followed with its progress to its end, and a job that fails says why', {
  skip,
}, async () => {
  await using machine = await startMachine('-machine', 'none');
  const { monitor, directory } = machine;
  const base = directory.file('base.qcow2');
  const top = directory.file('top.qcow2');
  await runTool('qemu-img', 'create', '-q', '-f', 'qcow2', base, '64M');
  await runTool('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', top);
  await runTool('qemu-io', '-f', 'qcow2', '-c', 'write -P 7 0 16M', top);
  const file = (name: string) => ({
    driver: 'file',
    filename: name,
    'node-name': `${name.slice(-9, -6)}-file`,
  });
  await monitor.execute('blockdev-add', { driver: 'qcow2', 'node-name': 'base', file: file(base) });
  await monitor.execute('blockdev-add', {
    driver: 'qcow2',
    'node-name': 'top',
    file: file(top),
    backing: 'base',
  });
  await monitor.execute('block-commit', {
    'job-id': 'merge',
    device: 'top',
    'auto-dismiss': false,
    'auto-finalize': false,
  });
  const seen: number[] = [];
  const onProgress = ({ current }: { readonly current: number }): void => void seen.push(current);
  const ready = await waitForJob(monitor, 'merge', { until: 'ready', onProgress, everyMs: 1, ...limits });
  assert.equal(ready['current-progress'], ready['total-progress']);
  assert.deepEqual(
    seen,
    seen.toSorted((a, b) => a - b),
  );
  await monitor.execute('job-complete', { id: 'merge' });
  await waitForJob(monitor, 'merge', { until: 'pending', ...limits });
  await monitor.execute('job-finalize', { id: 'merge' });
  await waitForJob(monitor, 'merge', limits);
  await monitor.execute('job-dismiss', { id: 'merge' });
  await assert.rejects(waitForJob(monitor, 'merge', limits), (error) => isCorralError(error, 'qmp.job-gone'));
  const create = { driver: 'qcow2', file: 'base-file', size: 1 };
  await monitor.execute('blockdev-create', { 'job-id': 'create', options: create });
  await assert.rejects(waitForJob(monitor, 'create', limits), (error) =>
    isCorralError(error, 'qmp.job-failed'),
  );
});

test('a job that is cancelled has failed, and its reason is QEMU’s', { skip }, async () => {
  await using machine = await startMachine('-machine', 'none');
  const { monitor } = machine;
  const node = { driver: 'null-co', size: 2 ** 30, 'read-zeroes': true };
  await monitor.execute('blockdev-add', { ...node, 'node-name': 'source' });
  await monitor.execute('blockdev-add', { ...node, 'node-name': 'target' });
  await monitor.execute('blockdev-backup', {
    'job-id': 'slow',
    device: 'source',
    target: 'target',
    sync: 'full',
    speed: 1,
    'auto-dismiss': false,
  });
  const waiting = waitForJob(monitor, 'slow', limits);
  await monitor.execute('job-cancel', { id: 'slow' });
  await assert.rejects(waiting, (error) => {
    assert.ok(isCorralError(error, 'qmp.job-failed'));
    assert.equal(error.params['reason'], 'Operation canceled');
    return true;
  });
});
