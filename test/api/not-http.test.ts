/** What comes over a connection and is no request: answered with problem details (RFC 9457), and the daemon goes on. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { type RunningDaemon, runDaemon } from './support.ts';

const webSocket = [
  'upgrade: websocket',
  'connection: upgrade, close',
  'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version: 13',
  '',
].join('\r\n');

const cases = [
  ['no HTTP', 'GARBAGE\r\n\r\n', 400, 'api.invalid-request'],
  ['an unknown method', 'BREW /v1/vms HTTP/1.1\r\nhost: x\r\n\r\n', 400, 'api.invalid-request'],
  [
    'two lengths',
    'POST /v1/vms HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}',
    400,
    'api.invalid-request',
  ],
  ['a header with a NUL', 'GET /v1/vms HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n\r\n', 400, 'api.invalid-request'],
  [
    'headers without end',
    `GET /v1/vms HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(40_000)}`,
    431,
    'api.headers-too-large',
  ],
  [
    'a path that is none',
    'GET /%zz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
    400,
    'api.invalid-request',
  ],
  [
    'a method of no route',
    'PUT /v1/vms HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
    405,
    'api.method-not-allowed',
  ],
  ['no host', 'GET /v1/vms HTTP/1.1\r\nconnection: close\r\n\r\n', 400, 'api.invalid-request'],
  [
    'an expectation of its own, without a body',
    'POST /v1/vms HTTP/1.1\r\nhost: x\r\nexpect: tea\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
    400,
    'api.invalid-request',
  ],
  ['a WebSocket where there is none', `GET /v2 HTTP/1.1\r\nhost: x\r\n${webSocket}\r\n`, 404, 'api.no-route'],
  [
    'a WebSocket by a wrong method',
    `POST /v1/vms/web1/console HTTP/1.1\r\nhost: x\r\n${webSocket}\r\n`,
    405,
    'api.method-not-allowed',
  ],
  [
    'another protocol instead of a WebSocket',
    'GET /v1/vms/web1/console?ticket=x HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\nconnection: upgrade, close\r\n\r\n',
    426,
    'api.websocket-expected',
  ],
  ['no route', 'GET /v2 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', 404, 'api.no-route'],
] as const;

describe('below the routes', () => {
  let running: RunningDaemon;
  before(async () => {
    running = await runDaemon();
  });
  after(() => running[Symbol.asyncDispose]());

  for (const [name, sent, status, code] of cases) {
    it(`${name}: ${status} ${code}`, async () => {
      const socket = connect(running.socketPath);
      socket.write(sent);
      const answer = await text(socket);
      const [head, body] = [answer.split('\r\n\r\n', 1)[0]!, answer.slice(answer.indexOf('\r\n\r\n') + 4)];
      assert.match(head, new RegExp(`^HTTP/1.1 ${status} `));
      assert.match(head, /^content-type: application\/problem\+json/im);
      const problem = JSON.parse(body);
      assert.deepEqual([problem.status, problem.code], [status, code]);
      assert.ok(problem.detail.length > 20);
      assert.ok(await running.client.vm.list({}));
    });
  }

  it('a wish to speak another protocol is passed over', async () => {
    const wishes = ['upgrade: h2c\r\nconnection: upgrade, close\r\n', webSocket];
    for (const wish of wishes) {
      const socket = connect(running.socketPath);
      socket.write(`GET /v1/vms HTTP/1.1\r\nhost: x\r\n${wish}\r\n`);
      assert.match(await text(socket), /^HTTP\/1.1 200 .*"items"/s);
    }
  });

  it('a request that breaks off is nothing to be told of', async () => {
    const before = running.daemon.log.lines.length;
    const socket = connect(running.socketPath);
    const head =
      'POST /v1/vms HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked';
    socket.write(`${head}\r\n\r\nzz\r\n`);
    assert.match(await text(socket), /^HTTP\/1.1 400 /);
    assert.ok(await running.client.vm.list({}));
    const told = running.daemon.log.lines.slice(before);
    assert.deepEqual(
      told.filter(({ level }) => level === 'error'),
      [],
    );
  });

  it('a WebSocket that breaks the handshake: 400 api.invalid-request', async () => {
    const { ticket } = await running.client.vm.ticket.create('web1', { kind: 'console' });
    const socket = connect(running.socketPath);
    const path = `/v1/vms/web1/console?ticket=${ticket}`;
    socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n`);
    const answer = await text(socket);
    assert.match(answer, /^HTTP\/1.1 400 /);
    assert.match(answer, /^content-type: application\/problem\+json/im);
    assert.match(answer, /Sec-WebSocket-Key/);
  });
});
