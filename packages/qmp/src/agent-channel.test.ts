import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import fc from 'fast-check';
import { AgentChannel, type AgentChannelOptions } from './agent-channel.ts';
import { hostNameShape, integerShape, nothingShape } from './agent-shapes.ts';
import { AgentRefusal, defaultAnswer, Raw, SILENCE, startFakeAgent } from './testing/fake-agent.ts';
import type { LinePeer } from './testing/line-peer.ts';

const code = (expected: string) => (error: unknown) => isCorralError(error, expected);

function channelTo(peer: LinePeer, options: Partial<AgentChannelOptions> = {}): AgentChannel {
  return new AgentChannel({ path: peer.path, guest: 'VM hello', limitMs: 60_000, ...options });
}

const ping = (channel: AgentChannel, limitMs?: number): Promise<void> =>
  channel.call('guest-ping', undefined, nothingShape, { limitMs });

const commands = (peer: LinePeer): (string | undefined)[] => peer.requests.map((request) => request.execute);

test('a session of calls shares one connection and one sync', async () => {
  await using peer = await startFakeAgent({ 'guest-get-host-name': () => ({ 'host-name': 'hello' }) });
  await using channel = channelTo(peer);
  await ping(channel);
  const { 'host-name': name } = await channel.call('guest-get-host-name', undefined, hostNameShape);
  assert.equal(name, 'hello');
  assert.deepEqual(commands(peer), ['guest-sync-delimited', 'guest-ping', 'guest-get-host-name']);
  assert.equal(peer.connections, 1);
});

test('the connection is closed when idle, and opened again for the next call', async () => {
  await using peer = await startFakeAgent();
  await using channel = channelTo(peer, { idleMs: 1 });
  await ping(channel);
  await peer.until(() => peer.open === 0);
  await ping(channel);
  assert.equal(peer.connections, 2);
});

test('who holds the channel keeps it between calls', async () => {
  await using peer = await startFakeAgent();
  await using channel = channelTo(peer, { idleMs: 0 });
  await using other = channelTo(peer, { idleMs: 0 });
  const hold = channel.hold();
  await ping(channel);
  await ping(other);
  await peer.until(() => peer.open === 1);
  await ping(channel);
  assert.equal(peer.connections, 2);
  hold[Symbol.dispose]();
  await peer.until(() => peer.open === 0);
});

test('calls wait for each other: the agent never sees two at once', async () => {
  let busy = 0;
  await using peer = await startFakeAgent({
    'guest-ping': (_args, connection) => {
      busy += 1;
      assert.equal(busy, 1);
      setImmediate(() => {
        busy -= 1;
        connection.send({ return: {} });
      });
      return SILENCE;
    },
  });
  await using channel = channelTo(peer);
  await Promise.all(Array.from({ length: 20 }, () => ping(channel)));
  assert.equal(peer.connections, 1);
});

test('too many waiting calls are refused', async () => {
  await using peer = await startFakeAgent({ 'guest-ping': () => SILENCE });
  const channel = channelTo(peer);
  const waiting = Array.from({ length: 100 }, () => assert.rejects(ping(channel), code('agent.closed')));
  await assert.rejects(ping(channel), code('agent.busy'));
  await channel.close();
  await Promise.all(waiting);
});

test('a socket that is not there is not-connected', async () => {
  await using channel = new AgentChannel({ path: '/nonexistent/agent', guest: 'VM hello' });
  await assert.rejects(ping(channel), code('agent.not-connected'));
});

test('silence ends at the limit, and a late answer is not taken for the next one', async () => {
  let late = '';
  await using peer = await startFakeAgent({
    'guest-get-time': () => {
      late = '{"return": 4711}\n';
      return SILENCE;
    },
    'guest-sync-delimited': (args, connection) => {
      connection.send(late);
      return defaultAnswer('guest-sync-delimited', args);
    },
    'guest-fsfreeze-thaw': () => 2,
  });
  await using channel = channelTo(peer);
  await ping(channel);
  const slow = channel.call('guest-get-time', undefined, integerShape, { limitMs: 20 });
  await assert.rejects(slow, (error) => {
    assert.ok(isCorralError(error, 'agent.not-responding'));
    assert.match(error.message, /VM hello did not answer "guest-get-time" within 20 ms/);
    return true;
  });
  assert.equal(await channel.call('guest-fsfreeze-thaw', undefined, integerShape), 2);
  assert.equal(peer.connections, 1);
});

test('a late answer that comes between the calls is not taken for the next one either', async () => {
  await using peer = await startFakeAgent({
    'guest-ping': (_args, connection) => {
      connection.send({ return: {} }, { return: 4711 });
      return SILENCE;
    },
    'guest-fsfreeze-thaw': () => 2,
  });
  await using channel = channelTo(peer);
  await ping(channel);
  assert.equal(await channel.call('guest-fsfreeze-thaw', undefined, integerShape), 2);
});

test('an agent that never comes into step is not-responding, or garbage if it said something', async () => {
  await using silent = await startFakeAgent({ 'guest-sync-delimited': () => SILENCE });
  await using babbling = await startFakeAgent({ 'guest-sync-delimited': () => new Raw('login: \n') });
  await using channel = channelTo(silent);
  await using other = channelTo(babbling);
  await assert.rejects(ping(channel, 20), code('agent.not-responding'));
  await assert.rejects(ping(other, 20), code('agent.garbage'));
});

test('half an answer from before is dropped by the delimiter', async () => {
  await using peer = await startFakeAgent({
    'guest-sync-delimited': (args, connection) => {
      connection.send('{"return": {"host-na');
      return defaultAnswer('guest-sync-delimited', args);
    },
  });
  await using channel = channelTo(peer);
  await ping(channel);
});

test('an abort ends the call at once, and the next one is in step again', async () => {
  await using peer = await startFakeAgent({ 'guest-get-time': () => SILENCE });
  await using channel = channelTo(peer);
  const controller = new AbortController();
  const call = channel.call('guest-get-time', undefined, integerShape, { signal: controller.signal });
  await peer.until(() => peer.requests.length === 2);
  controller.abort(new Error('not needed any more'));
  await assert.rejects(call, /not needed any more/);
  await ping(channel);
  const aborted = AbortSignal.abort(new Error('before it began'));
  await assert.rejects(
    channel.call('guest-ping', undefined, nothingShape, { signal: aborted }),
    /before it began/,
  );
  await ping(channel);
});

test('refusals are told apart', async () => {
  const notFound = 'CommandNotFound';
  await using peer = await startFakeAgent({
    a: () => new AgentRefusal('The command a has not been found', notFound),
    b: () => new AgentRefusal('Command b has been disabled: the agent is in frozen state', notFound),
    c: () => new AgentRefusal('this feature or command is not currently supported'),
    d: () => new AgentRefusal('failed to open file'),
    e: () => new Raw('{"error": 7}\n'),
  });
  await using channel = channelTo(peer);
  const expected = [
    'command-missing',
    'command-disabled',
    'command-missing',
    'command-failed',
    'command-failed',
  ];
  for (const [index, command] of [...'abcde'].entries()) {
    const call = channel.call(command, undefined, nothingShape);
    await assert.rejects(call, code(`agent.${expected[index]}`));
  }
  assert.equal(commands(peer).filter((command) => command === 'guest-sync-delimited').length, 1);
});

test('an answer that is too large is refused without being kept', async () => {
  await using peer = await startFakeAgent({ 'guest-get-time': () => 'x'.repeat(5000) });
  await using channel = channelTo(peer);
  const call = channel.call('guest-get-time', undefined, integerShape, { answerBytes: 1000 });
  await assert.rejects(call, code('agent.answer-too-large'));
  await ping(channel);
});

test('an answer of another shape is garbage that names the member', async () => {
  await using peer = await startFakeAgent({ 'guest-get-host-name': () => ({ 'host-name': 7 }) });
  await using channel = channelTo(peer);
  await assert.rejects(channel.call('guest-get-host-name', undefined, hostNameShape), (error) => {
    assert.ok(isCorralError(error, 'agent.garbage'));
    assert.match(error.message, /its answer\.host-name/);
    return true;
  });
});

test('a guest that babbles between the calls loses the connection, and the next call has a new one', async () => {
  await using peer = await startFakeAgent({
    'guest-ping': (_args, connection) => {
      connection.send({ return: {} }, Buffer.alloc(400_000, 'x\n'));
      return SILENCE;
    },
  });
  await using channel = channelTo(peer);
  using _hold = channel.hold();
  await ping(channel);
  await peer.until(() => peer.open === 0);
  await channel.call('guest-sync', { id: 1 }, integerShape);
  assert.equal(peer.connections, 2);
});

test('the end of the VM during a call is connection-lost, and a closed channel refuses', async () => {
  await using peer = await startFakeAgent({
    'guest-ping': (_args, connection) => {
      connection.close();
      return SILENCE;
    },
  });
  const channel = channelTo(peer);
  await assert.rejects(ping(channel), code('agent.connection-lost'));
  await channel.close();
  await assert.rejects(ping(channel), code('agent.closed'));
});

test('a command that answers only when it fails succeeds by the sync behind it, or by silence', async () => {
  let refusal: unknown = SILENCE;
  let down = false;
  await using peer = await startFakeAgent({
    'guest-shutdown': () => refusal,
    'guest-sync': (args) => (down ? SILENCE : args['id']),
  });
  await using channel = channelTo(peer);
  const shutdown = (): Promise<void> => channel.callSilent('guest-shutdown', undefined, { silenceMs: 20 });
  await shutdown();
  refusal = new AgentRefusal('no such mode');
  await assert.rejects(shutdown(), code('agent.command-failed'));
  refusal = SILENCE;
  down = true;
  await shutdown();
  down = false;
  await ping(channel);
});

test('whatever a guest answers, the call ends in an error of the registry and the next one works', async () => {
  const byte = fc.oneof(fc.constantFrom(...Buffer.from('\n\n{}[]"\\:,1\xff', 'latin1')), fc.nat(255));
  const answer = fc.oneof(
    fc.array(byte, { maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.json().map((text) => Buffer.from(`${text}\n`)),
    fc
      .constantFrom('{"return":1}\n', '{"error":{}}\n', '{"return":', '\n', '{"return":{}}{"return":{}}\n')
      .map(Buffer.from),
  );
  const property = fc.asyncProperty(answer, answer, fc.boolean(), async (inSync, inCall, inStep) => {
    let hostile = true;
    await using peer = await startFakeAgent({
      'guest-sync-delimited': (args, connection) => {
        if (hostile) connection.send(inSync);
        return hostile && !inStep ? SILENCE : defaultAnswer('guest-sync-delimited', args);
      },
      'guest-get-host-name': () => (hostile ? new Raw(inCall) : { 'host-name': 'hello' }),
    });
    await using channel = channelTo(peer);
    const name = (limitMs: number) =>
      channel.call('guest-get-host-name', undefined, hostNameShape, { limitMs });
    await name(10).then(
      () => assert.fail('garbage was taken for an answer'),
      (error: unknown) => assert.ok(isCorralError(error) && error.code.startsWith('agent.'), String(error)),
    );
    hostile = false;
    assert.deepEqual(await name(60_000), { 'host-name': 'hello' });
  });
  await fc.assert(property, { numRuns: 60 });
});
