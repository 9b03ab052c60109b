import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import { GuestAgent } from './guest-agent.ts';
import { AgentRefusal, type FakeAgentAnswer, SILENCE, startFakeAgent } from './testing/fake-agent.ts';
import type { LinePeer } from './testing/line-peer.ts';

const code = (expected: string) => (error: unknown) => isCorralError(error, expected);
const agentOf = (peer: LinePeer): GuestAgent =>
  new GuestAgent({ path: peer.path, guest: 'VM hello', idleMs: 0 });
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** What was called beside syncs, with its arguments. */
function called(peer: LinePeer): unknown[] {
  return peer.requests
    .filter((request) => !request.execute?.startsWith('guest-sync'))
    .map((request) => [request.execute, request.arguments]);
}

test('a program is waited for, and gives its output and exit code', async () => {
  let asked = 0;
  await using peer = await startFakeAgent({
    'guest-exec': () => ({ pid: 42 }),
    'guest-exec-status': () => {
      asked += 1;
      if (asked < 3) return { exited: false };
      return {
        exited: true,
        exitcode: 3,
        'out-data': base64('out'),
        'err-data': base64('err'),
        'out-truncated': true,
      };
    },
  });
  await using agent = agentOf(peer);
  const program = { path: 'cat', args: ['-n'], env: { A: 'b' }, input: Buffer.from('in') };
  assert.deepEqual(await agent.exec(program), {
    exitCode: 3,
    signal: undefined,
    stdout: Buffer.from('out'),
    stderr: Buffer.from('err'),
    stdoutTruncated: true,
    stderrTruncated: false,
  });
  const start = {
    path: 'cat',
    arg: ['-n'],
    env: ['A=b'],
    'input-data': base64('in'),
    'capture-output': true,
  };
  assert.deepEqual(called(peer)[0], ['guest-exec', start]);
  assert.deepEqual(called(peer)[1], ['guest-exec-status', { pid: 42 }]);
});

test('a program that does not end in time is named, with its process', async () => {
  await using peer = await startFakeAgent({
    'guest-exec': () => ({ pid: 42 }),
    'guest-exec-status': () => ({ exited: false }),
  });
  await using agent = agentOf(peer);
  await assert.rejects(agent.exec({ path: 'sleep' }, { limitMs: 30 }), (error) => {
    assert.ok(isCorralError(error, 'agent.exec-unfinished'));
    assert.equal(error.params['pid'], 42);
    return true;
  });
});

test('more output than allowed, more input than can be carried, and false Base64 are refused', async () => {
  let output = base64('x'.repeat(5000));
  await using peer = await startFakeAgent({
    'guest-exec': () => ({ pid: 42 }),
    'guest-exec-status': () => ({ exited: true, exitcode: 0, 'out-data': output }),
  });
  await using agent = agentOf(peer);
  const run = agent.exec({ path: 'yes', maxOutputBytes: 100 });
  await assert.rejects(run, code('agent.answer-too-large'));
  const input = Buffer.alloc(33 * 2 ** 20);
  await assert.rejects(agent.exec({ path: 'cat', input }), code('agent.input-too-large'));
  for (output of ['abc', 'ab*=', 'a b=', '=abc']) {
    await assert.rejects(agent.exec({ path: 'cat' }), code('agent.garbage'));
  }
});

/** Files as the agent has them: one, behind handle 7. */
function fileAnswers(content: Buffer, part = 100): Record<string, FakeAgentAnswer> {
  let position = 0;
  return {
    'guest-file-open': () => 7,
    'guest-file-read': () => {
      const data = content.subarray(position, position + part);
      position += data.length;
      return { count: data.length, 'buf-b64': data.toString('base64'), eof: position >= content.length };
    },
  };
}

test('a file is read in parts to its end, and its handle is closed', async () => {
  const content = Buffer.alloc(1000, 'corral');
  await using peer = await startFakeAgent(fileAnswers(content));
  await using agent = agentOf(peer);
  assert.deepEqual(await agent.readFile('/etc/motd'), content);
  assert.deepEqual(called(peer)[0], ['guest-file-open', { path: '/etc/motd', mode: 'r' }]);
  assert.deepEqual(called(peer).at(-1), ['guest-file-close', { handle: 7 }]);
});

test('an empty file is read', async () => {
  await using peer = await startFakeAgent(fileAnswers(Buffer.alloc(0)));
  await using agent = agentOf(peer);
  assert.equal((await agent.readFile('/dev/null')).length, 0);
});

test('after an error the handle is closed too, and the first error is the one that is told', async () => {
  const answers: Record<string, FakeAgentAnswer> = {
    ...fileAnswers(Buffer.alloc(1000)),
    'guest-file-close': () => new AgentRefusal('handle unknown'),
  };
  await using peer = await startFakeAgent(answers);
  await using agent = agentOf(peer);
  await assert.rejects(agent.readFile('/big', { maxBytes: 500 }), code('agent.file-too-large'));
  assert.deepEqual(called(peer).at(-1), ['guest-file-close', { handle: 7 }]);
});

test('a read that lies about its length, or never gets on, is garbage', async () => {
  for (const answer of [
    { count: 5, 'buf-b64': base64('abc'), eof: false },
    { count: 0, 'buf-b64': '', eof: false },
    { count: -1, 'buf-b64': '', eof: true },
  ]) {
    await using peer = await startFakeAgent({ 'guest-file-open': () => 7, 'guest-file-read': () => answer });
    await using agent = agentOf(peer);
    await assert.rejects(agent.readFile('/x'), code('agent.garbage'));
  }
});

test('a file is written through short writes, flushed and closed', async () => {
  const written: Buffer[] = [];
  await using peer = await startFakeAgent({
    'guest-file-open': () => 7,
    'guest-file-write': (args) => {
      const data = Buffer.from(String(args['buf-b64']), 'base64').subarray(0, 100_000);
      written.push(data);
      return { count: data.length, eof: false };
    },
  });
  await using agent = agentOf(peer);
  const content = Buffer.alloc(700_000, 'corral');
  await agent.writeFile('/tmp/x', content);
  assert.ok(Buffer.concat(written).equals(content));
  const names = called(peer).map((call) => (call as unknown[])[0]);
  assert.deepEqual(names.slice(-2), ['guest-file-flush', 'guest-file-close']);
  async function* parts(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('a');
    yield Buffer.from('b');
  }
  written.length = 0;
  await agent.writeFile('/tmp/x', parts(), { append: true });
  assert.equal(Buffer.concat(written).toString(), 'ab');
});

test('processors are set until all are done, and a nonsensical count is garbage', async () => {
  let done = 1;
  await using peer = await startFakeAgent({ 'guest-set-vcpus': () => done });
  await using agent = agentOf(peer);
  await agent.setVcpus([
    { id: 1, online: true },
    { id: 2, online: false },
  ]);
  assert.equal(called(peer).length, 2);
  done = 5;
  await assert.rejects(agent.setVcpus([{ id: 1, online: true }]), code('agent.garbage'));
  done = 0;
  await assert.rejects(agent.setVcpus([{ id: 1, online: true }]), code('agent.garbage'));
});

test('the clock is told in milliseconds', async () => {
  await using peer = await startFakeAgent({ 'guest-get-time': () => 1_700_000_000_123_456_000 });
  await using agent = agentOf(peer);
  assert.equal(Math.floor(await agent.time()), 1_700_000_000_123);
  await agent.setTime(1_700_000_000_000);
  assert.deepEqual(called(peer).at(-1), ['guest-set-time', { time: 1_700_000_000_000_000_000 }]);
  await agent.setTime();
  assert.deepEqual(called(peer).at(-1), ['guest-set-time', undefined]);
});

test('freeze and thaw tell how many, some mount points go by the list', async () => {
  await using peer = await startFakeAgent({
    'guest-fsfreeze-freeze': () => 2,
    'guest-fsfreeze-freeze-list': () => 1,
    'guest-fsfreeze-status': () => 'frozen',
    'guest-fsfreeze-thaw': () => 2,
  });
  await using agent = agentOf(peer);
  assert.equal(await agent.freeze(), 2);
  assert.equal(await agent.freezeStatus(), 'frozen');
  assert.equal(await agent.thaw(), 2);
  assert.equal(await agent.freeze({ mountpoints: ['/srv'] }), 1);
});

test('a freeze that hangs ends at its limit', async () => {
  await using peer = await startFakeAgent({
    'guest-fsfreeze-freeze': () => SILENCE,
    'guest-fsfreeze-thaw': () => 0,
  });
  await using agent = agentOf(peer);
  await assert.rejects(agent.freeze({ limitMs: 20 }), code('agent.not-responding'));
  assert.equal(await agent.thaw(), 0);
});
