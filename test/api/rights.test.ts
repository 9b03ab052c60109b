/** Every route of the contract is visited without a token, with a wrong one, and with a role that is too weak. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { roles } from '@corral/api/roles';
import type { Route } from '@corral/api/route';
import { allRoutes } from '@corral/api/routes';
import { authenticateByRole, testDaemon, testServer } from '@corral/daemon/testing/test-server';
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';

const id = '00000000-0000-4000-8000-000000000000';

/** Parameters that the contract takes; nothing of that name exists. */
function url(route: Route): string {
  return route.path.replaceAll(/\{\w+\}/g, id);
}

function visit(app: FastifyInstance, route: Route, authorization?: string): Promise<LightMyRequestResponse> {
  const headers = authorization === undefined ? {} : { authorization };
  return app.inject({ method: route.method, url: url(route), headers });
}

const guarded = allRoutes().filter(({ role }) => role !== 'none');

test('no route of the contract answers without a token or a ticket', async () => {
  await using daemon = testDaemon();
  await using app = await testServer(daemon, authenticateByRole);
  for (const route of guarded) {
    const answer = await visit(app, route);
    const expected = route.kind === 'websocket' ? 'api.invalid-ticket' : 'api.unauthenticated';
    assert.deepEqual([answer.statusCode, answer.json().code], [401, expected], route.id);
    assert.ok(answer.headers['www-authenticate'], route.id);
  }
  assert.deepEqual(daemon.services.asked, []);
});

test('no route answers to a token that nobody gave out', async () => {
  await using daemon = testDaemon();
  await using app = await testServer(daemon, authenticateByRole);
  for (const route of guarded) {
    for (const authorization of ['Bearer x', 'Basic YTpi', 'Bearer', 'viewer']) {
      assert.equal((await visit(app, route, authorization)).statusCode, 401, `${route.id} ${authorization}`);
    }
  }
});

test('no route answers to a role below its own, and each looks at the request of its own role', async () => {
  await using daemon = testDaemon();
  await using app = await testServer(daemon, authenticateByRole);
  for (const route of guarded.filter(({ kind }) => kind !== 'websocket')) {
    const least = roles.indexOf(route.role as (typeof roles)[number]);
    for (const [index, role] of roles.entries()) {
      if (route.kind === 'sse' && index >= least) continue;
      const answer = await visit(app, route, `Bearer ${role}`);
      if (index < least) {
        assert.deepEqual(
          [answer.statusCode, answer.json().code],
          [403, 'api.forbidden'],
          `${route.id} ${role}`,
        );
      } else {
        assert.ok(![401, 403].includes(answer.statusCode), `${route.id} ${role}: ${answer.statusCode}`);
      }
    }
  }
});

test('what needs no token answers without one', async () => {
  await using daemon = testDaemon();
  await using app = await testServer(daemon, authenticateByRole);
  for (const route of allRoutes().filter(({ role }) => role === 'none')) {
    assert.equal((await visit(app, route)).statusCode, 200, route.id);
  }
});
