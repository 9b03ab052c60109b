/** The TLS endpoint: its certificate, tokens and roles, as a client meets them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isApiProblem } from '@corral/api/api-problem';
import { Client } from '@corral/api/client.gen';
import { EventListQuery } from '@corral/api/schemas/event';
import { socketTransport, tlsTransport } from '@corral/api/transport';
import { runDaemon } from './support.ts';

test('a token opens the TLS endpoint with its role, until it is revoked', async () => {
  await using running = await runDaemon();
  const { token } = await running.client.token.create({ name: 'ci', role: 'viewer' });
  const remote = running.tlsClient(token);
  const { items } = await remote.vm.list();
  assert.equal(items[0]!.name, 'web1');
  await assert.rejects(remote.vm.start('web1'), (thrown) => {
    assert.ok(isApiProblem(thrown, 'api.forbidden'));
    assert.match(thrown.message, /"vm\.start" needs the role operator; this token has the role viewer/);
    return true;
  });
  await running.client.token.revoke('ci');
  await assert.rejects(remote.vm.list(), (thrown) => isApiProblem(thrown, 'api.unauthenticated'));
});

test('the socket of the host needs no token, the TLS endpoint does', async () => {
  await using running = await runDaemon();
  await running.client.vm.list();
  await assert.rejects(running.tlsClient().vm.list(), (thrown) =>
    isApiProblem(thrown, 'api.unauthenticated'),
  );
  assert.equal((await running.tlsClient().service.health()).name, 'n1');
});

test('many invalid tokens are answered with 429, told once as an event, and a valid one still passes', async () => {
  await using running = await runDaemon();
  const { token } = await running.client.token.create({ role: 'viewer' });
  const stranger = running.tlsClient(token.slice(0, -1));
  const codes: (string | null)[] = [];
  for (let count = 0; count < 12; count += 1) {
    await assert.rejects(stranger.vm.list(), (thrown) => isApiProblem(thrown) && codes.push(thrown.code) > 0);
  }
  assert.deepEqual(codes, [...Array(10).fill('api.unauthenticated'), 'api.rate-limited', 'api.rate-limited']);
  await running.tlsClient(token).vm.list();
  await running.daemon.events.settled();
  const { items } = await running.daemon.events.list(EventListQuery.parse({ type: 'host.failed-logins' }));
  assert.equal(items.length, 1);
});

test('without the authority the certificate is refused, in words that name the fix', async () => {
  await using running = await runDaemon();
  const client = new Client(tlsTransport({ endpoint: running.servers().endpoints[1]! }));
  await assert.rejects(client.vm.list(), { code: 'client.untrusted-certificate', message: /--ca FILE/ });
  client.close();
});

test('the certificate stays trusted over a restart', async () => {
  await using running = await runDaemon();
  const { caPath } = running.servers();
  await running.restart();
  assert.equal((await running.tlsClient(undefined, caPath!).service.health()).status, 'ok');
});

test('an address that is taken is named', async () => {
  await using running = await runDaemon();
  const { port } = new URL(running.servers().endpoints[1]!);
  const { startHttpServers } = await import('@corral/daemon/http/http-servers');
  const { daemon, socketPath } = running;
  const second = startHttpServers({
    handlers: daemon.handlers,
    tokens: daemon.tokens,
    events: daemon.events,
    log: daemon.log,
    onRequestEnd: () => undefined,
    socketPath: `${socketPath}.2`,
    listen: { host: '127.0.0.1', port: Number(port) },
    tlsFolder: `${socketPath}.tls`,
    host: { kind: 'host', id: 'n2', name: 'n2' },
  });
  await assert.rejects(second, {
    code: 'daemon.cannot-listen',
    message: new RegExp(`127.0.0.1:${port}: another`),
  });
});

test('a daemon that does not run, or is no daemon, is told apart', async () => {
  await using running = await runDaemon();
  const nobody = new Client(socketTransport(`${running.socketPath}.none`));
  await assert.rejects(nobody.vm.list(), { code: 'client.no-daemon' });
  const closed = new Client(tlsTransport({ endpoint: 'https://127.0.0.1:1' }));
  await assert.rejects(closed.vm.list(), { code: 'client.unreachable' });
  for (const endpoint of ['http://127.0.0.1:1', 'https://u@h:1', 'h:1', 'https://h/v1']) {
    assert.throws(() => tlsTransport({ endpoint }), { code: 'client.bad-endpoint' }, endpoint);
  }
});

test('files go through the client as streams', async () => {
  await using running = await runDaemon();
  const content = Buffer.alloc(3 * 2 ** 20, 'corral');
  const pieces = async function* () {
    for (let offset = 0; offset < content.length; offset += 65_536)
      yield content.subarray(offset, offset + 65_536);
  };
  const written = await running.client.guest.file.put('web1', pieces(), { path: '/x' });
  assert.deepEqual(written, { path: '/x', sizeBytes: content.length });
  const read = await Array.fromAsync(await running.client.guest.file.get('web1', { path: '/x' }));
  assert.ok(Buffer.concat(read).equals(content));
});

test('an upload that is refused early ends early', async () => {
  await using running = await runDaemon();
  let sent = 0;
  const endless = async function* () {
    for (;;) {
      sent += 2 ** 20;
      yield Buffer.alloc(2 ** 20);
    }
  };
  await assert.rejects(running.client.guest.file.put('web1', endless(), { path: '/x' }), (thrown) =>
    isApiProblem(thrown, 'api.payload-too-large'),
  );
  assert.ok(sent < 200 * 2 ** 20);
});
