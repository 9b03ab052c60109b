/** Consoles and displays: a ticket opens one WebSocket, once, to one VM. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { isApiProblem } from '@corral/api/api-problem';
import { sampleVm } from '@corral/daemon/testing/sample-objects';
import { runDaemon } from './support.ts';

const refused = (thrown: unknown): boolean =>
  isApiProblem(thrown, 'api.invalid-ticket') && thrown.status === 401;

async function echo(stream: Duplex, text: string): Promise<string> {
  stream.write(text);
  const [piece] = (await once(stream, 'data', { signal: AbortSignal.timeout(5000) })) as [Buffer];
  return piece.toString();
}

test('a ticket opens the console once, and the bytes go both ways', async () => {
  await using running = await runDaemon();
  const { client } = running;
  const { ticket, path } = await client.vm.ticket.create('web1', { kind: 'console' });
  assert.match(path, /^\/v1\/vms\/[0-9a-f-]{36}\/console\?ticket=/);
  const console = await client.vm.console('web1', { ticket });
  assert.equal(await echo(console, 'login: \xff'), 'login: \xff');
  await assert.rejects(client.vm.console('web1', { ticket }), refused, 'the used ticket');
  console.destroy();
  const [far] = running.daemon.services.screensOpened;
  if (!far!.destroyed) await once(far!, 'close');
});

test('a ticket is bound to its VM and its kind', async () => {
  await using running = await runDaemon();
  const { client, daemon } = running;
  daemon.services.vmList.push(sampleVm('db'));
  const newTicket = async (): Promise<string> =>
    (await client.vm.ticket.create('web1', { kind: 'display' })).ticket;
  await assert.rejects(client.vm.console('web1', { ticket: await newTicket() }), refused);
  await assert.rejects(client.vm.display('db', { ticket: await newTicket() }), refused);
  await assert.rejects(client.vm.display('nobody', { ticket: 'x' }), refused);
  const display = await client.vm.display('web1', { ticket: await newTicket() });
  assert.equal(await echo(display, 'RFB 003.008\n'), 'RFB 003.008\n');
  display.destroy();
});

test('over TLS a ticket needs the role operator, and then no token', async () => {
  await using running = await runDaemon();
  const { client } = running;
  const [viewer, operator] = await Promise.all(
    (['viewer', 'operator'] as const).map((role) => client.token.create({ role })),
  );
  const kind = 'console';
  await assert.rejects(running.tlsClient(viewer!.token).vm.ticket.create('web1', { kind }), (thrown) =>
    isApiProblem(thrown, 'api.forbidden'),
  );
  const { ticket } = await running.tlsClient(operator!.token).vm.ticket.create('web1', { kind });
  const console = await running.tlsClient().vm.console('web1', { ticket });
  assert.equal(await echo(console, 'hello'), 'hello');
  console.destroy();
});

test('the end of the console ends the WebSocket', async () => {
  await using running = await runDaemon();
  const { ticket } = await running.client.vm.ticket.create('web1', { kind: 'console' });
  const console = await running.client.vm.console('web1', { ticket });
  const ended = once(console.resume(), 'end', { signal: AbortSignal.timeout(5000) });
  running.daemon.services.screensOpened[0]!.end();
  await ended;
});

test('a daemon that stops ends open consoles and does not wait for them', async () => {
  await using running = await runDaemon();
  const { ticket } = await running.client.vm.ticket.create('web1', { kind: 'console' });
  const console = await running.client.vm.console('web1', { ticket });
  const ended = once(console.resume(), 'end', { signal: AbortSignal.timeout(5000) });
  await running.servers().close();
  await ended;
});

test('the address of a console without an upgrade says what it wants', async () => {
  await using running = await runDaemon();
  const { path } = await running.client.vm.ticket.create('web1', { kind: 'console' });
  const { get } = await import('node:http');
  const request = get({ socketPath: running.socketPath, path, agent: false });
  const [response] = await once(request, 'response');
  assert.equal(response.statusCode, 426);
  assert.equal(response.headers.upgrade, 'websocket');
  response.resume();
  await once(response, 'end');
});
