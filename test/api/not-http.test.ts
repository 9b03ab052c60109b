/** What comes over a connection and is no request: answered with problem details (RFC 9457), and the daemon goes on. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { type RunningDaemon, runDaemon } from './support.ts';

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
});
