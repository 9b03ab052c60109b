import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import { GuestAgent } from '@corral/qmp/guest-agent';
import { AGENT, startAgent, type TestAgent } from './support/agent.ts';

const skip = AGENT === undefined && 'qemu-ga is not installed, and the set-up has not unpacked it';
const code = (expected: string) => (error: unknown) => isCorralError(error, expected);
const clientOf = ({ path }: TestAgent): GuestAgent =>
  new GuestAgent({ path, guest: 'this host', limitMs: 30_000 });

test('a real agent tells about its system', { skip }, async () => {
  await using agent = await startAgent();
  await using client = clientOf(agent);
  await client.ping();
  const info = await client.info();
  assert.match(info.version, /^\d+\.\d+/);
  assert.ok(info.supported_commands.some(({ name, enabled }) => name === 'guest-exec' && enabled));
  assert.equal(await client.hostName(), hostname());
  assert.ok((await client.osInfo()).id);
  assert.ok((await client.interfaces()).some(({ name }) => name === 'lo'));
  assert.ok(Math.abs((await client.time()) - Date.now()) < 60_000);
  assert.equal(typeof (await client.timezone()).offset, 'number');
  assert.ok(Array.isArray(await client.users()));
  assert.ok((await client.fileSystems()).every(({ mountpoint }) => mountpoint.startsWith('/')));
  assert.ok((await client.vcpus()).length > 0);
  assert.equal(await client.freezeStatus(), 'thawed');
});

test('programs run with input, output, environment and exit code', { skip }, async () => {
  await using agent = await startAgent();
  await using client = clientOf(agent);
  const script = 'cat; echo "$WHAT" >&2; exit 3';
  const program = {
    path: '/bin/sh',
    args: ['-c', script],
    env: { WHAT: 'warning' },
    input: Buffer.from('text'),
  };
  const result = await client.exec(program);
  assert.equal(result.stdout.toString(), 'text');
  assert.equal(result.stderr.toString(), 'warning\n');
  assert.equal(result.exitCode, 3);
  const killed = await client.exec({ path: '/bin/sh', args: ['-c', 'kill -9 $$'] });
  assert.equal(killed.signal, 9);
  assert.equal(killed.exitCode, undefined);
  await assert.rejects(client.exec({ path: '/no/such/program' }), code('agent.command-failed'));
});

test('a program that prints more than the agent keeps is cut, and says so', { skip }, async () => {
  await using agent = await startAgent();
  await using client = clientOf(agent);
  const result = await client.exec({ path: 'head', args: ['-c', '17000000', '/dev/zero'] });
  assert.equal(result.stdout.length, 16 * 2 ** 20);
  assert.equal(result.stdoutTruncated, true);
  const little = client.exec({ path: 'head', args: ['-c', '100000', '/dev/zero'], maxOutputBytes: 1000 });
  await assert.rejects(little, code('agent.answer-too-large'));
  await client.ping();
});

test('files are written and read whole', { skip }, async () => {
  await using agent = await startAgent();
  await using client = clientOf(agent);
  const content = Buffer.from(Array.from({ length: 1_000_003 }, (_, index) => index % 251));
  await client.writeFile(agent.file('data'), content);
  assert.ok((await readFile(agent.file('data'))).equals(content));
  await client.writeFile(agent.file('data'), Buffer.from('end'), { append: true });
  assert.ok((await client.readFile(agent.file('data'))).equals(Buffer.concat([content, Buffer.from('end')])));
  await writeFile(agent.file('empty'), '');
  assert.equal((await client.readFile(agent.file('empty'))).length, 0);
  await assert.rejects(client.readFile(agent.file('none')), code('agent.command-failed'));
  await assert.rejects(client.readFile(agent.file('data'), { maxBytes: 1000 }), code('agent.file-too-large'));
});

test('what the agent does not allow or know is told apart', { skip }, async () => {
  await using agent = await startAgent();
  await using client = clientOf(agent);
  await assert.rejects(client.freeze(), code('agent.command-disabled'));
  await assert.rejects(client.shutdown(), code('agent.command-disabled'));
  await assert.rejects(client.suspend('ram'), code('agent.command-disabled'));
  await client.ping();
});

test('half a request and unread answers of an earlier client disturb nobody', { skip }, async () => {
  await using agent = await startAgent();
  const rude = connect(agent.path);
  rude.end('{"execute": "guest-info"}\n{"execute": "guest-info"}\n{"execute": "guest-pi');
  rude.resume();
  await once(rude, 'close');
  await using client = clientOf(agent);
  assert.equal(await client.hostName(), hostname());
});

test('an agent that is stopped is not-responding, and answers again when it goes on', { skip }, async () => {
  await using agent = await startAgent();
  await using client = clientOf(agent);
  await client.ping();
  agent.process.kill('SIGSTOP');
  await assert.rejects(client.hostName({ limitMs: 50 }), code('agent.not-responding'));
  await assert.rejects(client.time({ limitMs: 50 }), code('agent.not-responding'));
  agent.process.kill('SIGCONT');
  assert.equal(await client.hostName(), hostname());
});

test('the end of the agent during a call is told', { skip }, async () => {
  await using agent = await startAgent();
  await using client = clientOf(agent);
  const sleeping = client.exec({ path: 'sleep', args: ['0.2'] });
  const outcome = assert.rejects(
    sleeping,
    (error) => isCorralError(error) && error.code.startsWith('agent.'),
  );
  await client.ping();
  agent.process.kill('SIGKILL');
  await outcome;
});
