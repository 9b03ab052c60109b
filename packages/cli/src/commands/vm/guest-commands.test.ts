import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { FakeDaemon } from '../../testing/fake-daemon.ts';
import { runCli } from '../../testing/run-cli.ts';

const base64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64');
const result = { exitCode: 0, signal: null, encoding: 'base64', stdout: '', stderr: '', truncated: false };

test("exec hands on the program's output byte by byte, and its exit code", async () => {
  await using daemon = await FakeDaemon.start({
    'guest.exec': () => ({ ...result, exitCode: 42, stdout: base64('out\n'), stderr: base64('err\n') }),
  });
  const args = [
    '--socket',
    daemon.socketPath,
    'vm',
    'exec',
    'web1',
    '--env',
    'A=b',
    '--',
    'ls',
    '-l',
    '-o',
    'json',
  ];
  const { exitCode, stdout, stderr } = await runCli(args);
  assert.deepEqual([exitCode, stdout, stderr], [42, 'out\n', 'err\n']);
  const { command, env, encoding } = daemon.requests[0]!.body as Record<string, unknown>;
  assert.deepEqual(command, ['ls', '-l', '-o', 'json']);
  assert.deepEqual(env, { A: 'b' });
  assert.equal(encoding, 'base64');
});

test('exec gives our input when asked to, and prints the object for programs', async () => {
  const answer = { ...result, encoding: 'utf-8', exitCode: null, signal: 15, stdout: 'x' };
  await using daemon = await FakeDaemon.start({ 'guest.exec': () => answer });
  const args = ['-o', 'json', '--socket', daemon.socketPath, 'vm', 'exec', 'web1', '-i', '--', 'cat'];
  const { exitCode, stdout } = await runCli(args, { stdin: 'hello' });
  assert.equal(exitCode, 128 + 15);
  assert.deepEqual(JSON.parse(stdout), answer);
  assert.equal((daemon.requests[0]!.body as { stdin: string }).stdin, base64('hello'));
});

test('exec says when output was lost', async () => {
  await using daemon = await FakeDaemon.start({ 'guest.exec': () => ({ ...result, truncated: true }) });
  const { exitCode, stderr } = await runCli([
    '--socket',
    daemon.socketPath,
    'vm',
    'exec',
    'web1',
    '--',
    'yes',
  ]);
  assert.equal(exitCode, 1);
  assert.match(stderr, /\[cli\.output-lost\]/);
});

test('a file comes from the guest whole or not at all', async () => {
  await using folder = await temporaryFolder();
  await using daemon = await FakeDaemon.start({ 'guest.file.get': () => Buffer.from('content') });
  const get = ['--socket', daemon.socketPath, 'vm', 'guest', 'get', 'web1', '/etc/motd'];
  assert.equal((await runCli(get)).stdout, 'content');
  const target = join(folder.path, 'motd');
  await writeFile(target, 'before');
  assert.equal((await runCli([...get, 'motd'], { currentDirectory: folder.path })).exitCode, 0);
  assert.equal(await readFile(target, 'utf8'), 'content');
  daemon.answers = {};
  assert.equal((await runCli([...get, target])).exitCode, 1);
  assert.equal(await readFile(target, 'utf8'), 'content');
  assert.deepEqual(await readdir(folder.path), ['motd']);
});

test('a folder that is not there is an error about our own file', async () => {
  await using daemon = await FakeDaemon.start({ 'guest.file.get': () => Buffer.from('content') });
  const args = ['--socket', daemon.socketPath, 'vm', 'guest', 'get', 'web1', '/etc/motd', '/nowhere/motd'];
  const { exitCode, stderr } = await runCli(args);
  assert.equal(exitCode, 2);
  assert.match(stderr, /Could not write \/nowhere\/motd: no such file or directory\. \[cli\.file\]/);
});

test('a file goes to the guest, from a file or a pipe', async () => {
  await using daemon = await FakeDaemon.start({
    'guest.file.put': ({ body }) => ({ path: '/tmp/x', sizeBytes: (body as Buffer).length }),
  });
  const put = ['--socket', daemon.socketPath, 'vm', 'guest', 'put', 'web1'];
  const { stdout } = await runCli([...put, '-', '/tmp/x'], { stdin: 'piped' });
  assert.equal(stdout, 'web1:/tmp/x has 5 bytes.\n');
  assert.deepEqual(daemon.requests[0]?.body, Buffer.from('piped'));
  const missing = await runCli([...put, '/nowhere', '/tmp/x']);
  assert.equal(missing.exitCode, 2);
  assert.match(missing.stderr, /\[cli\.file\]/);
});

test('key-value data is listed, read, written and deleted', async () => {
  const pair = { key: 'role', value: 'primary', source: 'host' as const };
  await using daemon = await FakeDaemon.start({
    'guest.kv.list': () => ({ items: [pair], next: null }),
    'guest.kv.get': ({ query }) => ({ ...pair, source: query['source'] }),
    'guest.kv.put': ({ params, body }) => ({ ...pair, key: params['key'], ...(body as { value: string }) }),
    'guest.kv.delete': () => undefined,
  });
  const kv = (...args: readonly string[]) =>
    runCli(['--socket', daemon.socketPath, 'vm', 'guest', 'kv', 'web1', ...args]);
  assert.deepEqual(JSON.parse((await kv('-o', 'json')).stdout), { items: [pair], next: null });
  assert.equal((await kv('role', '--source', 'host')).stdout, 'primary\n');
  assert.deepEqual(JSON.parse((await kv('a', 'b', '-o', 'json')).stdout), { ...pair, key: 'a', value: 'b' });
  assert.equal((await kv('role', '--delete')).exitCode, 0);
  for (const args of [['--delete'], ['a', 'b', '--delete'], ['a', 'b', '--source', 'guest']]) {
    assert.equal((await kv(...args)).exitCode, 2, args.join(' '));
  }
});

async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'corral-cli-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
