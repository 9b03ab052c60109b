import assert from 'node:assert/strict';
import test from 'node:test';
import { cliErrors } from '../errors.ts';
import { problemOf } from '../report-error.ts';
import { type Answers, FakeDaemon, type FakeEvent } from '../testing/fake-daemon.ts';
import { runCli } from '../testing/run-cli.ts';
import { doneOperation, idOf, sampleOperation, sampleVm } from '../testing/samples.ts';

const id = idOf('c');
const running = sampleOperation();

async function* events(
  ...operations: readonly ReturnType<typeof sampleOperation>[]
): AsyncGenerator<FakeEvent> {
  for (const operation of operations) yield { id: operation.revision, data: operation };
}

/** Answers for `vm start web1` whose operation goes through these states. */
function starting(...operations: readonly ReturnType<typeof sampleOperation>[]): Answers {
  return {
    'vm.start': () => running,
    'operation.follow': () => events(...operations),
    'vm.show': () => sampleVm(),
  };
}

function start(daemon: FakeDaemon, ...more: readonly string[]): readonly string[] {
  return ['--socket', daemon.socketPath, 'vm', 'start', 'web1', ...more];
}

test('a command waits for its operation, tells the steps and prints what came of it', async () => {
  const progress = { done: 512, total: 1024, unit: 'bytes' as const, message: 'copying' };
  await using daemon = await FakeDaemon.start(
    starting(sampleOperation({ revision: 2, progress }), doneOperation()),
  );
  const { exitCode, stdout, stderr } = await runCli(start(daemon));
  assert.equal(exitCode, 0);
  assert.equal(stdout, 'VM web1 is running.\n');
  assert.deepEqual(stderr.split('\n'), [
    'Start VM web1: launch',
    'Start VM web1: copying, 50 % (512 B of 1 KiB)',
    'Start VM web1',
    '',
  ]);
});

test('with -o json the object is all there is, and standard error stays empty', async () => {
  await using daemon = await FakeDaemon.start(starting(doneOperation()));
  const { stdout, stderr } = await runCli(start(daemon, '-o', 'json'));
  assert.deepEqual(JSON.parse(stdout), sampleVm());
  assert.equal(stderr, '');
});

test('on a terminal progress is one line that is wiped at the end', async () => {
  await using daemon = await FakeDaemon.start(starting(sampleOperation({ revision: 2 }), doneOperation()));
  const { stderr } = await runCli(start(daemon), { terminal: true });
  assert.ok(!stderr.includes('\n'));
  assert.ok(stderr.endsWith('\r\u001b[K'));
});

test('--no-wait prints the operation as it was accepted', async () => {
  await using daemon = await FakeDaemon.start({ 'vm.start': () => running });
  const json = await runCli(start(daemon, '--no-wait', '-o', 'json'));
  assert.deepEqual(JSON.parse(json.stdout), running);
  const text = await runCli(start(daemon, '--no-wait'));
  assert.equal(text.stdout, `${id}  Start VM web1\n`);
});

test('an operation that failed gives its error, its causes and the exit code of the error', async () => {
  const error = {
    ...problemOf(cliErrors.file({ path: '/x', action: 'read', reason: 'y' })),
    status: 404,
    code: 'image.not-found',
  };
  await using daemon = await FakeDaemon.start(starting(doneOperation({ state: 'failed', error })));
  const { exitCode, stdout, stderr } = await runCli(start(daemon));
  assert.equal(exitCode, 3);
  assert.equal(stdout, '');
  assert.match(stderr, /^error: Could not read \/x: y\. \[image\.not-found\]$/m);
});

test('an operation that is stuck says how to go on, one that was cancelled that it was', async () => {
  await using daemon = await FakeDaemon.start(starting(sampleOperation({ revision: 3, state: 'stuck' })));
  const stuck = await runCli(start(daemon));
  assert.equal(stuck.exitCode, 1);
  assert.match(stuck.stderr, new RegExp(`corral operation retry ${id}`));
  daemon.answers = starting(doneOperation({ state: 'cancelled' }));
  assert.equal((await runCli(start(daemon))).exitCode, 8);
});

test('waiting survives a daemon that is killed and comes back', async () => {
  const seen = Promise.withResolvers<void>();
  let follows = 0;
  await using daemon = await FakeDaemon.start({
    ...starting(),
    'operation.follow': async function* () {
      follows += 1;
      if (follows > 1) return yield* events(doneOperation());
      const progress = { done: 1, total: null, unit: 'steps' as const, message: 'half-way' };
      yield* events(sampleOperation({ revision: 5, progress }));
      await Promise.withResolvers().promise;
    },
  });
  const onStderr = (text: string): void => {
    if (text.includes('half-way')) seen.resolve();
  };
  const finished = runCli(start(daemon), { onStderr });
  await seen.promise;
  await daemon.kill();
  await daemon.listen();
  const { exitCode, stdout, stderr } = await finished;
  assert.equal(exitCode, 0, stderr);
  assert.equal(stdout, 'VM web1 is running.\n');
  assert.match(stderr, /the daemon is away; waiting for it/);
  const [first, second] = daemon.requests.filter(({ route }) => route === 'operation.follow');
  assert.equal(first?.query['after'], 1);
  assert.equal(second?.headers['last-event-id'], '5');
});

test('Ctrl-C leaves the operation running and says how to follow and to cancel it', async () => {
  const stop = new AbortController();
  await using daemon = await FakeDaemon.start({
    ...starting(),
    'operation.follow': async function* () {
      yield { id: 2, data: sampleOperation({ revision: 2 }) };
      stop.abort(cliErrors.interrupted({ message: 'Interrupted.' }));
      await Promise.withResolvers().promise;
    },
  });
  const { exitCode, stderr } = await runCli(start(daemon), { signal: stop.signal });
  assert.equal(exitCode, 130);
  assert.match(stderr, new RegExp(`corral operation follow ${id}`));
  assert.match(stderr, new RegExp(`corral operation cancel ${id}`));
  assert.ok(!daemon.requests.some(({ route }) => route === 'operation.cancel'));
});

test('--wait-limit ends the waiting, not the operation', async () => {
  await using daemon = await FakeDaemon.start({
    ...starting(),
    'operation.follow': async function* () {
      yield { id: 2, data: sampleOperation({ revision: 2 }) };
      await Promise.withResolvers().promise;
    },
  });
  const { exitCode, stderr } = await runCli(start(daemon, '--wait-limit', '50ms'));
  assert.equal(exitCode, 7);
  assert.match(stderr, /has not ended within 50 ms/);
});

test('create --start waits for the start too, and fails when it does', async () => {
  const startId = idOf('8');
  const started = sampleOperation({ id: startId });
  await using daemon = await FakeDaemon.start({
    'vm.create': () => sampleOperation({ kind: 'vm.create', name: 'Create VM web1' }),
    'operation.show': () => started,
    'operation.follow': ({ params }) =>
      params['operation'] === startId
        ? events(doneOperation({ id: startId }))
        : events(doneOperation({ output: { vmId: idOf('a'), startOperationId: startId } })),
    'vm.show': ({ params }) => {
      assert.equal(params['vm'], idOf('a'));
      return sampleVm();
    },
  });
  const args = ['vm', 'create', 'web1', '--image', 'micro', '--start', '--socket', daemon.socketPath];
  const { exitCode, stdout } = await runCli(args);
  assert.equal(exitCode, 0);
  assert.equal(stdout, 'VM web1 is created and running.\n');
  assert.deepEqual(
    daemon.requests.map(({ route }) => route),
    ['vm.create', 'operation.follow', 'operation.show', 'operation.follow', 'vm.show'],
  );
});

test('operation follow prints every change as one line of JSON', async () => {
  await using daemon = await FakeDaemon.start({
    'operation.show': () => running,
    'operation.follow': () => events(sampleOperation({ revision: 2 }), doneOperation()),
  });
  const { exitCode, stdout } = await runCli([
    'operation',
    'follow',
    id,
    '-o',
    'json',
    '--socket',
    daemon.socketPath,
  ]);
  assert.equal(exitCode, 0);
  const revisions = stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { revision: number }).revision);
  assert.deepEqual(revisions, [1, 2, 9]);
});

test('cancel waits for the undo; an operation that had ended by itself is refused', async () => {
  await using daemon = await FakeDaemon.start({
    'operation.cancel': () => sampleOperation({ state: 'cancelling' }),
    'operation.follow': () => events(doneOperation({ state: 'cancelled' })),
  });
  const args = ['operation', 'cancel', id, '--socket', daemon.socketPath];
  assert.equal((await runCli(args)).exitCode, 0);
  daemon.answers = { ...daemon.answers, 'operation.follow': () => events(doneOperation()) };
  assert.equal((await runCli(args)).exitCode, 4);
});

test('a daemon that is not there is named, with the way to start it', async () => {
  const { exitCode, stderr } = await runCli([
    'vm',
    'start',
    'web1',
    '--socket',
    '/nowhere/corrald.sock',
    '-o',
    'json',
  ]);
  assert.equal(exitCode, 6);
  const problem = JSON.parse(stderr) as { code: string; detail: string };
  assert.equal(problem.code, 'client.no-daemon');
  assert.match(problem.detail, /\/nowhere\/corrald\.sock/);
});
