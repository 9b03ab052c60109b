import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Problem } from '@corral/api/schemas/problem';
import { vmErrors } from '@corral/host/errors';
import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import { sampleVm } from '../testing/sample-objects.ts';
import { authenticateByRole, testDaemon, testServer } from '../testing/test-server.ts';

const json = { 'content-type': 'application/json' };

test('a VM is shown with its generation as ETag', async () => {
  await using daemon = testDaemon();
  daemon.services.vmList.push(sampleVm('db', { generation: 7 }));
  const app = await testServer(daemon);
  const answer = await app.inject('/v1/vms/db');
  assert.equal(answer.statusCode, 200);
  assert.equal(answer.headers.etag, '"7"');
  assert.equal(answer.headers['cache-control'], 'no-store');
  assert.equal(answer.json().name, 'db');
});

test('a change answers 202 with the operation and its address', async () => {
  await using daemon = testDaemon();
  const app = await testServer(daemon);
  const answer = await app.inject({ method: 'POST', url: '/v1/vms/web1/start' });
  assert.equal(answer.statusCode, 202);
  assert.equal(answer.headers.location, `/v1/operations/${answer.json().id}`);
  const shown = await app.inject(String(answer.headers.location));
  assert.equal(shown.json().name, 'vms.act start web1');
  assert.deepEqual(daemon.services.asked, ['vms.act start web1 by socket']);
});

test('defaults of the contract reach the handler', async () => {
  await using daemon = testDaemon();
  const app = await testServer(daemon);
  await app.inject({ method: 'POST', url: '/v1/vms', headers: json, payload: { name: 'new' } });
  assert.equal(daemon.services.vmList.at(-1)!.memoryBytes, 256 * 2 ** 20);
  await app.inject({ method: 'POST', url: '/v1/vms/new/shutdown' });
  assert.equal(daemon.services.asked.at(-1), 'vms.shutdown 120000 false new by socket');
});

test('bad input is refused in words that name each field', async () => {
  await using daemon = testDaemon();
  const app = await testServer(daemon);
  const create = async (payload: unknown): Promise<string> => {
    const answer = await app.inject({
      method: 'POST',
      url: '/v1/vms',
      headers: json,
      payload: JSON.stringify(payload),
    });
    assert.equal(answer.statusCode, 400, answer.payload);
    assert.match(String(answer.headers['content-type']), /^application\/problem\+json/);
    assert.equal(answer.json().code, 'api.invalid-request');
    return answer.json().detail;
  };
  assert.match(await create({}), /body\.name: is missing/);
  assert.match(
    await create({ name: 'a', cpu: 2, colour: 'red' }),
    /body\.cpu: there is no such field; body\.colour/,
  );
  assert.match(await create({ name: 'a b' }), /body\.name: must be 1 to 63 letters/);
  assert.match(await create({ name: 'x'.repeat(64) }), /body\.name: must be 1 to 63 letters/);
  assert.match(await create({ name: '0b2d5bd9-7f8f-4b5b-9d0c-0123456789ab' }), /cannot look like an id/);
  assert.match(await create({ name: 'a', cpus: 0 }), /body\.cpus: must be at least 1/);
  assert.match(await create({ name: 'a', cpus: 1025 }), /body\.cpus: must be at most 1024/);
  assert.match(await create({ name: 'a', cpus: '2' }), /body\.cpus: must be a number/);
  assert.match(await create({ name: 'a', cpus: 1.5 }), /body\.cpus: must be an int/);
  assert.match(await create({ name: 'a', memoryBytes: 2 ** 50 }), /body\.memoryBytes: must be at most/);
  assert.match(await create({ name: 'a', memoryBytes: 2 ** 24 + 1 }), /whole number of MiB/);
  assert.match(await create({ name: 'a', firmware: 'efi' }), /body\.firmware: must be "bios" or "uefi"/);
  assert.match(
    await create({ name: 'a', disks: Array(65).fill({ name: 'd' }) }),
    /body\.disks: must have at most/,
  );
  assert.match(await create([]), /body: must be an object/);
  assert.match(await create(null), /body: must be an object/);
  assert.deepEqual(daemon.services.asked, [], 'nothing reached a service');
});

test('bad queries and bodies where none belong are refused', async () => {
  await using daemon = testDaemon();
  const app = await testServer(daemon);
  const detail = async (options: InjectOptions | string): Promise<string> => {
    const answer = await app.inject(options);
    assert.equal(answer.statusCode, 400, answer.payload);
    return answer.json().detail;
  };
  assert.match(await detail('/v1/vms?limit=0'), /query\.limit: must be at least 1/);
  assert.match(await detail('/v1/vms?limit=x'), /query\.limit: must be a number/);
  assert.match(await detail('/v1/vms?limit=1&limit=2'), /query\.limit/);
  assert.match(await detail('/v1/vms?colour=red'), /query\.colour: there is no such field/);
  assert.match(await detail('/v1/host?colour=red'), /query: this route takes none/);
  assert.match(await detail('/v1/operations/17'), /params\.operation: must be an id/);
  assert.match(await detail('/v1/vms/%zz'), /%zz/);
  const start = { method: 'POST', url: '/v1/vms/web1/start', headers: json } as const;
  assert.match(await detail({ ...start, payload: { force: true } }), /body: this route takes none/);
  assert.match(await detail({ ...start, payload: '{"a":' }), /cannot be read as JSON/);
  assert.match(await detail({ ...start, payload: '{"__proto__": {"a": 1}}' }), /cannot be read as JSON/);
  const empty = await app.inject({ ...start, payload: '' });
  assert.equal(empty.statusCode, 202, 'an empty body is none');
});

test('an unknown media type and a body over the limit have their own codes', async () => {
  await using daemon = testDaemon();
  const app = await testServer(daemon);
  const post = { method: 'POST', url: '/v1/vms' } as const;
  const form = await app.inject({ ...post, headers: { 'content-type': 'text/csv' }, payload: 'a,b' });
  assert.equal(form.statusCode, 415);
  assert.equal(form.json().code, 'api.unsupported-media-type');
  assert.equal(form.json().params.mediaType, 'text/csv');
  const large = await app.inject({ ...post, headers: json, payload: `{"name":"${'a'.repeat(2 ** 21)}"}` });
  assert.equal(large.statusCode, 413);
  assert.equal(large.json().code, 'api.payload-too-large');
});

test('a path that is not there is 404, a method that is not there is 405 and says which are', async () => {
  await using daemon = testDaemon();
  const app = await testServer(daemon);
  const missing = await app.inject('/v1/nothing');
  assert.deepEqual([missing.statusCode, missing.json().code], [404, 'api.no-route']);
  const wrong = await app.inject({ method: 'PUT', url: '/v1/vms/web1' });
  assert.deepEqual([wrong.statusCode, wrong.json().code], [405, 'api.method-not-allowed']);
  assert.equal(wrong.headers.allow, 'GET, PATCH, DELETE');
});

test('PATCH and DELETE need the generation that was read, or a star', async () => {
  await using daemon = testDaemon();
  const app = await testServer(daemon);
  for (const method of ['PATCH', 'DELETE'] as const) {
    const payload = method === 'PATCH' ? { payload: { cpus: 2 } } : {};
    const status = async (ifMatch?: string): Promise<[number, string | undefined]> => {
      const headers = {
        ...(method === 'PATCH' && json),
        ...(ifMatch !== undefined && { 'if-match': ifMatch }),
      };
      const answer = await app.inject({ method, url: '/v1/vms/web1', headers, ...payload });
      return [answer.statusCode, answer.json().code];
    };
    assert.deepEqual(await status(), [428, 'api.precondition-required']);
    assert.deepEqual(await status('"2"'), [412, 'vm.changed']);
    assert.deepEqual(await status('"1"'), [202, undefined]);
    assert.deepEqual(await status('*'), [202, undefined]);
  }
});

test('a merge patch is taken under its own media type, and null takes away', async () => {
  await using daemon = testDaemon();
  const app = await testServer(daemon);
  const answer = await app.inject({
    method: 'PATCH',
    url: '/v1/vms/web1',
    headers: { 'content-type': 'application/merge-patch+json', 'if-match': '*' },
    payload: JSON.stringify({ iso: null }),
  });
  assert.equal(answer.statusCode, 202);
  assert.match(daemon.services.asked.at(-1)!, /\{"iso":null\}/);
});

test('only an administrator names files and devices of the host', async () => {
  await using daemon = testDaemon();
  const app = await testServer(daemon, authenticateByRole);
  const create = (role: string, given: object) =>
    app.inject({
      method: 'POST',
      url: '/v1/vms',
      headers: { ...json, authorization: `Bearer ${role}` },
      payload: { name: 'new', ...given },
    });
  const disks = [
    { name: 'a', sizeBytes: 1 },
    { name: 'b', from: '/etc/shadow' },
  ];
  const refused = await create('operator', { iso: '/root/x.iso', disks });
  assert.equal(refused.statusCode, 403);
  assert.equal(refused.json().code, 'api.host-path-forbidden');
  assert.deepEqual(refused.json().params.fields, ['iso', 'disks.1.from']);
  assert.equal((await create('administrator', { iso: '/root/x.iso', disks })).statusCode, 202);
  assert.equal((await create('operator', { disks: [disks[0]] })).statusCode, 202);
  const device = await app.inject({
    method: 'POST',
    url: '/v1/vms/web1/disks',
    headers: { ...json, authorization: 'Bearer operator' },
    payload: { name: 'd', device: '/dev/sda' },
  });
  assert.equal(device.json().code, 'api.host-path-forbidden');
});

test('an error of the registry becomes a problem with its causes', async () => {
  await using daemon = testDaemon();
  const app = await testServer(daemon);
  const cause = vmErrors['not-found']({ vm: 'b' }, { cause: new Error('secret detail') });
  daemon.services.failure = vmErrors['name-taken']({ name: 'a' }, { cause });
  const answer = await app.inject('/v1/host');
  const problem = answer.json<Problem>();
  assert.equal(answer.statusCode, 409);
  assert.equal(problem.type, `urn:corral:error:${problem.code}`);
  assert.equal(problem.code, 'vm.name-taken');
  assert.deepEqual(problem.params, { name: 'a' });
  assert.deepEqual(
    problem.causes!.map(({ code, params }) => ({ code, params })),
    [{ code: 'vm.not-found', params: { vm: 'b' } }],
  );
  assert.ok(!answer.payload.includes('secret'));
});

test('what nobody expected tells the client an id, and the log the rest', async () => {
  await using daemon = testDaemon();
  const app = await testServer(daemon);
  daemon.services.failure = new TypeError('secret detail');
  const answer = await app.inject('/v1/host');
  const problem = answer.json<Problem>();
  assert.equal(answer.statusCode, 500);
  assert.equal(problem.code, 'api.unexpected');
  assert.ok(!answer.payload.includes('secret'));
  const line = daemon.log.lines.find(({ level }) => level === 'error')!;
  assert.equal(line.context['err'], daemon.services.failure);
  assert.equal(line.context['instance'], problem.instance);
  assert.ok(problem.detail.includes(problem.instance!.replace('urn:uuid:', '')));
});

test('an answer that breaks the contract is found in tests', async () => {
  await using daemon = testDaemon();
  const app = await testServer(daemon);
  daemon.services.vmList.push({ ...sampleVm('odd'), cpus: -1 });
  assert.equal((await app.inject('/v1/vms/odd')).statusCode, 500);
});

test('lists are paged to their end', async () => {
  await using daemon = testDaemon();
  for (const name of ['c', 'a', 'b']) daemon.services.vmList.push(sampleVm(name));
  const app = await testServer(daemon);
  const names: string[] = [];
  let next: string | null = null;
  do {
    const page: LightMyRequestResponse = await app.inject(
      `/v1/vms?limit=3${next === null ? '' : `&after=${next}`}`,
    );
    names.push(...page.json().items.map((vm: { name: string }) => vm.name));
    next = page.json().next;
  } while (next !== null);
  assert.deepEqual(names, ['a', 'b', 'c', 'web1']);
});

test('files of the guest go in and come out, within the limit', async () => {
  await using daemon = testDaemon();
  const app = await testServer(daemon);
  const url = '/v1/vms/web1/guest/file?path=/tmp/x';
  const content = Buffer.alloc(5000, 'abc');
  const octets = { 'content-type': 'application/octet-stream' };
  const put = await app.inject({ method: 'PUT', url, headers: octets, payload: content });
  assert.deepEqual(put.json(), { path: '/tmp/x', sizeBytes: 5000 });
  const got = await app.inject(url);
  assert.equal(got.headers['content-length'], '5000');
  assert.deepEqual(got.rawPayload, content);
  const large = { ...octets, 'content-length': String(2 ** 27) };
  const refused = await app.inject({ method: 'PUT', url, headers: large, payload: content });
  assert.equal(refused.json().code, 'api.payload-too-large');
  const wrong = await app.inject({ method: 'PUT', url, headers: json, payload: '{}' });
  assert.equal(wrong.json().code, 'api.unsupported-media-type');
});

test('key-value pairs are written, read, listed by source and deleted', async () => {
  await using daemon = testDaemon();
  daemon.services.keyValues.push({ key: 'ip', value: '10.0.0.1', source: 'guest' });
  const app = await testServer(daemon);
  const url = '/v1/vms/web1/guest/kv';
  const put = await app.inject({
    method: 'PUT',
    url: `${url}/zone`,
    headers: json,
    payload: { value: 'north' },
  });
  assert.deepEqual(put.json(), { key: 'zone', value: 'north', source: 'host' });
  assert.equal((await app.inject(url)).json().items.length, 2);
  assert.equal((await app.inject(`${url}?source=guest`)).json().items[0].key, 'ip');
  assert.equal((await app.inject(`${url}/ip`)).json().value, '10.0.0.1');
  const absent = await app.inject(`${url}/zone`);
  assert.equal(absent.json().code, 'guest.key-not-found');
  assert.equal((await app.inject({ method: 'DELETE', url: `${url}/zone` })).statusCode, 204);
});

test('a daemon that stops says so', async () => {
  await using daemon = testDaemon();
  const app = await testServer(daemon);
  daemon.stopping.abort();
  const answer = await app.inject('/v1/vms');
  assert.deepEqual([answer.statusCode, answer.json().code], [503, 'api.stopping']);
  assert.equal(answer.headers.connection, 'close');
});

test('what changes something is logged with who asked', async () => {
  await using daemon = testDaemon();
  const app = await testServer(daemon, authenticateByRole);
  await app.inject({
    method: 'POST',
    url: '/v1/vms/web1/start',
    headers: { authorization: 'Bearer operator' },
  });
  const line = daemon.log.lines.find(({ level }) => level === 'info')!;
  assert.equal(line.context['caller'], 'test operator');
  assert.equal(line.context['route'], 'vm.start');
  assert.equal(line.context['status'], 202);
});

test('metrics count requests by route, not by path', async () => {
  await using daemon = testDaemon();
  const app = await testServer(daemon);
  await app.inject('/v1/vms/web1');
  await app.inject('/v1/vms/nobody');
  const { headers, payload } = await app.inject('/metrics');
  assert.match(String(headers['content-type']), /^text\/plain; version=0\.0\.4/);
  assert.match(
    payload,
    /corral_http_request_duration_seconds_count\{route="vm\.show",method="GET",status="200"\} 1/,
  );
  assert.match(
    payload,
    /corral_http_request_duration_seconds_count\{route="vm\.show",method="GET",status="404"\} 1/,
  );
  assert.ok(!payload.includes('web1'));
});
