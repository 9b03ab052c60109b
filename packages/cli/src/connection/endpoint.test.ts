import assert from 'node:assert/strict';
import test from 'node:test';
import { chooseEndpoint, type EndpointOptions } from './endpoint.ts';

const here = '/project/data/corrald.sock';
const installed = '/run/corral/corrald.sock';

function choose(
  options: EndpointOptions,
  env: Record<string, string> = {},
  existing: readonly string[] = [],
) {
  const exists = (path: string): boolean => existing.includes(path);
  return chooseEndpoint(options, { env, defaultSockets: [here, installed], exists });
}

test('the socket of the project if it is there, else that of an installed daemon', () => {
  assert.deepEqual(choose({}, {}, [here, installed]), { kind: 'socket', path: here });
  assert.deepEqual(choose({}, {}, [installed]), { kind: 'socket', path: installed });
  assert.deepEqual(choose({}), { kind: 'socket', path: installed });
});

test('an option comes before the environment, whichever it is', () => {
  const env = { CORRAL_SOCKET: '/a', CORRAL_TOKEN: 't', CORRAL_CA: '/ca' };
  assert.deepEqual(choose({}, env), { kind: 'socket', path: '/a' });
  assert.deepEqual(choose({ socket: '/b' }, env), { kind: 'socket', path: '/b' });
  const tls = { kind: 'tls', url: 'https://h:1', token: 't', caFile: '/ca' };
  assert.deepEqual(choose({ endpoint: 'https://h:1' }, env), tls);
  const own = { endpoint: 'https://h:1', token: 'u', ca: '/own' };
  assert.deepEqual(choose(own, env), { ...tls, token: 'u', caFile: '/own' });
});

test('an endpoint may be a socket, as the daemon prints it', () => {
  assert.deepEqual(choose({ endpoint: 'unix:/x.sock' }), { kind: 'socket', path: '/x.sock' });
});

test('two daemons at once are refused; an empty variable is none', () => {
  assert.throws(() => choose({ socket: '/a', endpoint: 'https://h' }), { code: 'cli.usage' });
  assert.throws(() => choose({}, { CORRAL_SOCKET: '/a', CORRAL_ENDPOINT: 'https://h' }), {
    code: 'cli.usage',
  });
  assert.deepEqual(choose({}, { CORRAL_SOCKET: '', CORRAL_ENDPOINT: '' }), {
    kind: 'socket',
    path: installed,
  });
});
