import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import fc from 'fast-check';
import { QmpClient } from './qmp-client.ts';
import { GREETING, QmpRefusal, SILENCE, startFakeMonitor } from './testing/fake-monitor.ts';
import { LinePeer } from './testing/line-peer.ts';

const code = (expected: string) => (error: unknown) => isCorralError(error, expected);
const connect = (path: string): Promise<QmpClient> =>
  QmpClient.connect(path, { peer: 'the monitor of VM hello' });

test('connecting reads the greeting and enables commands out of band', async () => {
  await using monitor = await startFakeMonitor();
  await using client = await connect(monitor.path);
  assert.equal(client.version.qemu.major, 7);
  assert.equal(client.outOfBand, true);
  assert.deepEqual(monitor.peer.requests[0]?.arguments, { enable: ['oob'] });
});

test('a monitor without out-of-band commands refuses them by name', async () => {
  const greeting = { QMP: { ...GREETING.QMP, capabilities: [] } };
  await using peer = await LinePeer.start({
    onConnect: (connection) => connection.send(greeting),
    onRequest: (request, connection) => connection.send({ return: {}, id: request.id }),
  });
  await using client = await connect(peer.path);
  assert.deepEqual(peer.requests[0]?.arguments, {});
  await assert.rejects(client.executeOutOfBand('yank', { instances: [] }), code('qmp.no-out-of-band'));
});

test('answers go to the command they belong to, in whatever order they come', async () => {
  await using monitor = await startFakeMonitor({
    'query-status': () => SILENCE,
    'query-name': () => SILENCE,
  });
  await using client = await connect(monitor.path);
  const status = client.execute('query-status');
  const name = client.execute('query-name');
  await monitor.peer.until(() => monitor.peer.requests.length === 3);
  const [, first, second] = monitor.peer.requests;
  monitor.connection().send({ return: { name: 'hello' }, id: second?.id });
  monitor.connection().send({ return: { status: 'running', running: true }, id: first?.id });
  assert.equal((await status).status, 'running');
  assert.equal((await name).name, 'hello');
});

test('what QEMU refuses is an error of the registry that keeps class and description', async () => {
  await using monitor = await startFakeMonitor({
    block_resize: () => new QmpRefusal('Cannot grow'),
    device_del: () => new QmpRefusal("Device 'x' not found", 'DeviceNotFound'),
    'query-balloon': () => new QmpRefusal('No balloon device', 'DeviceNotActive'),
    'query-stats': () => new QmpRefusal('The command query-stats has not been found', 'CommandNotFound'),
  });
  await using client = await connect(monitor.path);
  await assert.rejects(client.execute('block_resize', { size: 1 }), (error: unknown) => {
    assert.ok(isCorralError(error, 'qmp.command-failed'));
    assert.equal(error.params['desc'], 'Cannot grow');
    assert.equal(error.params['class'], 'GenericError');
    assert.equal(error.message, 'The monitor of VM hello refused "block_resize": Cannot grow');
    return true;
  });
  await assert.rejects(client.execute('device_del', { id: 'x' }), code('qmp.device-not-found'));
  await assert.rejects(client.execute('query-balloon'), code('qmp.device-not-active'));
  await assert.rejects(client.execute('query-stats', { target: 'vm' }), code('qmp.command-missing'));
});

test('nobody listens, nobody greets, somebody else speaks: each has its own error', async () => {
  await using silent = await LinePeer.start({});
  await using stranger = await LinePeer.start({
    onConnect: (connection) => connection.send('220 ESMTP\r\n'),
  });
  await using closing = await LinePeer.start({ onConnect: (connection) => connection.close() });
  await assert.rejects(connect(`${silent.path}.none`), code('qmp.not-listening'));
  await assert.rejects(QmpClient.connect(silent.path, { limitMs: 500 }), code('qmp.no-greeting'));
  await assert.rejects(connect(stranger.path), code('qmp.protocol'));
  await assert.rejects(connect(closing.path), code('qmp.connection-lost'));
  await silent.until(() => silent.open === 0);
});

test('the monitor of a QEMU that starts is waited for, until the limit', async () => {
  await using later = await LinePeer.start({ onConnect: (connection) => connection.send(GREETING) });
  const path = `${later.path}.later`;
  const waiting = QmpClient.connect(path, { starting: true, limitMs: 60_000 });
  await assert.rejects(QmpClient.connect(path, { starting: true, limitMs: 20 }), code('qmp.not-listening'));
  await rename(later.path, path);
  await later.until(() => later.requests.length === 1);
  const controller = assert.rejects(waiting, code('qmp.connection-lost'));
  await later[Symbol.asyncDispose]();
  await controller;
});

test('a monitor that ends before it takes a connection has listened, and is lost', async () => {
  const peer = await LinePeer.start({});
  // Both at once: the connection waits in the listener's queue when that is closed.
  const lost = assert.rejects(QmpClient.connect(peer.path, { starting: true }), code('qmp.connection-lost'));
  await peer[Symbol.asyncDispose]();
  await lost;
  assert.equal(peer.connections, 0);
});

test('a wait asks again at a sign of another kind', async () => {
  await using monitor = await startFakeMonitor();
  await using client = await connect(monitor.path);
  let asked = 0;
  let disposed = false;
  await client.waitFor('The wait', async () => (++asked === 3 ? true : undefined), {
    events: [],
    limitMs: 60_000,
    signs: (sign) => {
      const timer = setInterval(sign, 1);
      return {
        [Symbol.dispose]: () => {
          clearInterval(timer);
          disposed = true;
        },
      };
    },
  });
  assert.deepEqual([asked, disposed], [3, true]);
});

test('the loss of the connection rejects what is pending, ends events and waits, and says so', async () => {
  await using monitor = await startFakeMonitor({ 'query-status': () => SILENCE });
  await using client = await connect(monitor.path);
  const events = client.events();
  const pending = client.execute('query-status');
  const wait = client.waitFor('The wait', async () => undefined, { events: ['STOP'], limitMs: 60_000 });
  await monitor.peer.until(() => monitor.peer.requests.length === 2);
  monitor.connection().close();
  await assert.rejects(pending, code('qmp.connection-lost'));
  await assert.rejects(wait, code('qmp.connection-lost'));
  await assert.rejects(events.next(), code('qmp.connection-lost'));
  assert.equal((await events.next()).done, true);
  assert.ok(isCorralError(await client.closed, 'qmp.connection-lost'));
  await assert.rejects(client.execute('query-status'), code('qmp.connection-lost'));
  await assert.rejects(client.events().next(), code('qmp.connection-lost'));
});

test('closing rejects what is pending and ends the iteration of events', async () => {
  await using monitor = await startFakeMonitor({ 'query-status': () => SILENCE });
  const client = await connect(monitor.path);
  const events = client.events();
  const pending = assert.rejects(client.execute('query-status'), code('qmp.closed'));
  await client.close();
  await pending;
  assert.equal((await events.next()).done, true);
  await monitor.peer.until(() => monitor.peer.open === 0);
});

test('an answer after the limit is dropped, and the connection goes on', async () => {
  await using monitor = await startFakeMonitor({ 'query-name': () => SILENCE });
  await using client = await connect(monitor.path);
  await assert.rejects(client.execute('query-name', {}, { limitMs: 10 }), code('core.timeout'));
  const late = monitor.peer.requests.find((request) => request.execute === 'query-name');
  monitor.connection().send({ return: { name: 'late' }, id: late?.id });
  assert.deepEqual(await client.execute('query-uuid'), {});
});

test('an abort ends the waiting with its reason', async () => {
  await using monitor = await startFakeMonitor({ 'query-name': () => SILENCE });
  await using client = await connect(monitor.path);
  const controller = new AbortController();
  const call = client.execute('query-name', {}, { signal: controller.signal });
  controller.abort(new Error('not needed any more'));
  await assert.rejects(call, /not needed any more/);
});

test('events come in order, with their data and time, the named ones alone if names are given', async () => {
  await using monitor = await startFakeMonitor();
  await using client = await connect(monitor.path);
  using all = client.events();
  using some = client.events('SHUTDOWN', 'RESET');
  monitor.emit('STOP');
  monitor.emit('SHUTDOWN', { guest: true, reason: 'guest-shutdown' });
  monitor.emit('X_UNHEARD_OF', { x: 1 });
  const names: string[] = [];
  for await (const event of all) if (names.push(event.name) === 3) break;
  assert.deepEqual(names, ['STOP', 'SHUTDOWN', 'X_UNHEARD_OF']);
  const { value } = await some.next();
  assert.deepEqual(value, {
    name: 'SHUTDOWN',
    data: { guest: true, reason: 'guest-shutdown' },
    timestampMs: 1_700_000_000_500,
  });
});

test('events that nobody takes end the iteration instead of filling the memory', async () => {
  await using monitor = await startFakeMonitor();
  await using client = await connect(monitor.path);
  const events = client.events();
  for (let count = 0; count < 10_001; count += 1) monitor.emit('STOP');
  await client.execute('query-status');
  await assert.rejects(events.next(), code('qmp.events-overrun'));
});

test('waiting asks for the level at once, and again after each event that may change it', async () => {
  let running = false;
  await using monitor = await startFakeMonitor({
    'query-status': (_args, connection) => {
      // The change happens while the question is under way; its event comes before the answer that knows nothing.
      connection.send({ event: 'RESUME', data: {}, timestamp: { seconds: 1, microseconds: 0 } });
      const answer = { status: running ? 'running' : 'paused', running };
      running = true;
      return answer;
    },
  });
  await using client = await connect(monitor.path);
  const level = async (signal: AbortSignal): Promise<string | undefined> => {
    const { status } = await client.execute('query-status', {}, { signal });
    return status === 'running' ? status : undefined;
  };
  const reached = await client.waitFor('The guest', level, { events: ['RESUME'], limitMs: 60_000 });
  assert.equal(reached, 'running');
  assert.equal(monitor.peer.requests.filter((request) => request.execute === 'query-status').length, 2);
});

test('waiting asks again after a while where no event tells', async () => {
  let asked = 0;
  await using monitor = await startFakeMonitor();
  await using client = await connect(monitor.path);
  const level = async (): Promise<number | undefined> => {
    asked += 1;
    return asked === 3 ? asked : undefined;
  };
  assert.equal(await client.waitFor('It', level, { events: [], everyMs: 1, limitMs: 60_000 }), 3);
  const never = client.waitFor('It', async () => undefined, { events: [], everyMs: 1, limitMs: 20 });
  await assert.rejects(never, code('core.timeout'));
});

test('whatever a stranger sends, the client ends in an error of the registry', async () => {
  const line = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc.constantFrom('{"QMP":null}', '{"QMP":{"version":{}}}', '{"return":{}}', '{"error":7}', '{"event":{}}'),
    fc.constant(JSON.stringify(GREETING)),
  );
  const property = fc.asyncProperty(fc.array(line, { maxLength: 6 }), async (lines) => {
    await using peer = await LinePeer.start({
      onConnect: (connection) => {
        connection.send(...lines.map((text) => `${text}\n`));
      },
      onRequest: (_request, connection) => connection.close(),
    });
    const outcome = await QmpClient.connect(peer.path, { limitMs: 15 }).then(
      () => 'connected',
      (error: unknown) => error,
    );
    assert.ok(isCorralError(outcome), String(outcome));
    assert.match(outcome.code, /^qmp\./);
  });
  await fc.assert(property, { numRuns: 60 });
});
