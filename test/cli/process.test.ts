/** `bin/corral` as a process: signals, a closed pipe, a real terminal. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'node:test';
import { promisify } from 'node:util';
import { type Answer, FakeDaemon } from '@corral/cli/testing/fake-daemon';
import { sampleOperation, sampleVm } from '@corral/cli/testing/samples';
import { corral, runInTerminal } from './run-in-terminal.ts';

const timeout = 60_000;

const neverEnds: Answer = async function* () {
  yield { id: 2, data: sampleOperation({ revision: 2 }) };
  await Promise.withResolvers().promise;
};

for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 143],
] as const) {
  test(`${signal} while waiting ends with ${exitCode} and leaves the operation alone`, {
    timeout,
  }, async () => {
    await using daemon = await FakeDaemon.start({
      'vm.start': () => sampleOperation(),
      'operation.follow': neverEnds,
    });
    const child = spawn(corral, ['--socket', daemon.socketPath, 'vm', 'start', 'web1'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const closed = once(child, 'close');
    while (!stderr.includes('launch')) await once(child.stderr, 'data');
    child.kill(signal);
    assert.deepEqual(await closed, [exitCode, null]);
    assert.match(stderr, /corral operation follow cccccccc-/);
    assert.deepEqual(
      daemon.requests.map(({ route }) => route),
      ['vm.start', 'operation.follow'],
    );
  });
}

test('a reader that goes away ends the output without a word', { timeout }, async () => {
  const vms = Array.from({ length: 5000 }, (_, index) => sampleVm({ name: `vm${index}` }));
  await using daemon = await FakeDaemon.start({ 'vm.list': () => ({ items: vms, next: null }) });
  const pipeline = `"$0" --socket "$1" vm list -o json | head -n 1; echo "\${PIPESTATUS[0]}"`;
  const { stdout, stderr } = await promisify(execFile)('bash', ['-c', pipeline, corral, daemon.socketPath]);
  assert.deepEqual([stdout, stderr], ['{\n141\n', '']);
});

test('a console in a terminal: keys arrive raw, Ctrl-] leaves, and the terminal is as it was', {
  timeout,
}, async () => {
  const typed: string[] = [];
  await using daemon = await FakeDaemon.start({
    'vm.ticket.create': ({ params }) => ({
      ticket: 'secret',
      kind: 'console',
      path: `/v1/vms/${params['vm']}/console?ticket=secret`,
      expiresAt: '2035-03-01T12:01:00.000Z',
    }),
    'vm.console': ({ query }, socket) => {
      assert.equal(query['ticket'], 'secret');
      socket!.send(Buffer.from('login: '));
      socket!.on('message', (bytes: Buffer) => {
        typed.push(bytes.toString('latin1'));
        socket!.send(Buffer.from(`[${bytes.toString('hex')}]`));
      });
    },
  });
  const command = `stty -g; '${corral}' --socket '${daemon.socketPath}' vm console web1; echo "exit $?"; stty -g`;
  await using terminal = runInTerminal(command);
  await terminal.shows('login: ');
  terminal.type('\u0003');
  await terminal.shows('[03]');
  terminal.type('\u001d');
  await terminal.shows('exit 0');
  await terminal.exitCode;
  assert.equal(typed.join(''), '\u0003');
  const settings = terminal.screen().match(/^[0-9a-f]+(:[0-9a-f]+)+\r?$/gm);
  assert.equal(settings?.length, 2, terminal.screen());
  assert.equal(settings[0], settings[1]);
});

test('a console without a terminal takes its input from a pipe', { timeout }, async () => {
  await using daemon = await FakeDaemon.start({
    'vm.ticket.create': () => ({
      ticket: 'secret',
      kind: 'console',
      path: '/v1/vms/web1/console?ticket=secret',
      expiresAt: '2035-03-01T12:01:00.000Z',
    }),
    'vm.console': (_, socket) => {
      socket!.on('message', (bytes: Buffer) => socket!.send(Buffer.from(`you said ${bytes}`)));
    },
  });
  const pipeline = `echo hello | "$0" --socket "$1" vm console web1 --linger 100ms`;
  const { stdout, stderr } = await promisify(execFile)('sh', ['-c', pipeline, corral, daemon.socketPath]);
  assert.deepEqual([stdout, stderr], ['you said hello\n', '']);
});
