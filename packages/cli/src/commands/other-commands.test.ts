import assert from 'node:assert/strict';
import test from 'node:test';
import { cliErrors } from '../errors.ts';
import { FakeDaemon } from '../testing/fake-daemon.ts';
import { runCli } from '../testing/run-cli.ts';
import {
  doneOperation,
  idOf,
  sampleEvent,
  sampleImage,
  sampleOperation,
  sampleVm,
} from '../testing/samples.ts';

test('images are built, imported, shown and deleted', async () => {
  await using daemon = await FakeDaemon.start({
    'image.build': () => sampleOperation(),
    'image.import': () => sampleOperation(),
    'image.delete': () => sampleOperation(),
    'image.show': ({ params }) => sampleImage({ name: String(params['image']) }),
    'operation.follow': async function* () {
      yield { id: 9, data: doneOperation() };
    },
  });
  const corral = (...args: readonly string[]) =>
    runCli([...args, '--socket', daemon.socketPath], { currentDirectory: '/srv' });
  assert.equal((await corral('image', 'build', 'micro')).stdout, 'Image micro is built.\n');
  await corral('image', 'import', 'a.qcow2', '--name', 'debian', '--profile', 'windows');
  const { body } = daemon.requests.find(({ route }) => route === 'image.import') ?? {};
  assert.deepEqual(body, { name: 'debian', path: '/srv/a.qcow2', profile: 'windows' });
  assert.match((await corral('image', 'show', 'x')).stdout, /^Name {7}x$/m);
  assert.equal((await corral('image', 'delete', 'x')).exitCode, 0);
});

test('the secret of a token stands alone on standard output', async () => {
  const token = {
    id: idOf('6'),
    name: 'ci',
    createdAt: '2025-03-01T12:00:00.000Z',
    expiresAt: '2025-03-01T20:00:00.000Z',
    role: 'operator' as const,
    createdBy: 'root',
    token: 'corral_secret',
  };
  await using daemon = await FakeDaemon.start({ 'token.create': () => token });
  const args = ['token', 'create', '--role', 'operator', '--expires', '8h', '--socket', daemon.socketPath];
  const { stdout, stderr } = await runCli(args);
  assert.equal(stdout, 'corral_secret\n');
  assert.match(stderr, /^Token ci, role operator, until /);
  assert.deepEqual(daemon.requests[0]?.body, { role: 'operator', lifetimeMs: 28_800_000 });
});

test('people see the latest events, the newest at the bottom', async () => {
  await using daemon = await FakeDaemon.start({
    'event.list': () => ({
      items: [sampleEvent(2, { message: 'second' }), sampleEvent(1, { message: 'first' })],
      next: '1',
    }),
  });
  const args = ['event', 'list', '--subject', 'web1', '--socket', daemon.socketPath];
  const { stdout } = await runCli(args);
  assert.ok(stdout.indexOf('first') < stdout.indexOf('second'));
  assert.deepEqual(daemon.requests[0]?.query, { limit: 50, subject: 'web1', order: 'newest' });
});

test('followed events come one a line; being interrupted is no error to speak of', async () => {
  const stop = new AbortController();
  await using daemon = await FakeDaemon.start({
    'event.follow': async function* () {
      yield { id: 1, data: sampleEvent(1) };
      yield { id: 2, data: sampleEvent(2) };
      setImmediate(() => stop.abort(cliErrors.interrupted({ message: 'Interrupted.' })));
      await Promise.withResolvers().promise;
    },
  });
  const args = ['event', 'follow', '-o', 'json', '--after', '0', '--socket', daemon.socketPath];
  const { exitCode, stderr } = await runCli(args, { signal: stop.signal });
  assert.equal(exitCode, 130);
  assert.equal(stderr, '');
  assert.equal(daemon.requests[0]?.query['after'], 0);
});

test('operations of a VM are asked for by its id', async () => {
  await using daemon = await FakeDaemon.start({
    'vm.show': () => sampleVm(),
    'operation.list': () => ({ items: [sampleOperation()], next: null }),
  });
  const { stdout } = await runCli(['operation', 'list', '--vm', 'web1', '--socket', daemon.socketPath]);
  assert.match(stdout, /Start VM web1/);
  assert.equal(daemon.requests[1]?.query['target'], `vm/${idOf('a')}`);
});

test('the doctor shows the worst first and ends with 1 when something is broken', async () => {
  const finding = { check: 'x', title: 'Space', detail: 'little is left', things: [] };
  await using daemon = await FakeDaemon.start({
    'host.doctor': () => ({
      checkedAt: '2025-03-01T12:00:00.000Z',
      worst: 'error',
      findings: [
        { ...finding, severity: 'ok', title: 'Clock', detail: 'right', fix: null },
        { ...finding, severity: 'error', fix: 'Add a disk.', things: ['/srv'] },
      ],
    }),
  });
  const { exitCode, stdout } = await runCli(['host', 'doctor', '--socket', daemon.socketPath]);
  assert.equal(exitCode, 1);
  assert.deepEqual(stdout.split('\n'), [
    'error    Space: little is left',
    '         - /srv',
    '         Fix: Add a disk.',
    'ok       Clock: right',
    '',
  ]);
});
