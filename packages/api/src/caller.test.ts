import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { ApiProblem } from './api-problem.ts';
import { Caller, eachItem } from './caller.ts';
import { clientErrors } from './client-errors.ts';
import type { Problem } from './schemas/problem.ts';
import type { Transport, TransportRequest, TransportResponse } from './transport.ts';

type Answer = TransportResponse | Error;

/** A double of the transport: gives the answers in turn and keeps what was asked. */
function scripted(...answers: Answer[]) {
  const asked: TransportRequest[] = [];
  const transport: Transport = {
    endpoint: 'test:',
    request: async (request) => {
      asked.push(request);
      const answer = answers.shift();
      if (answer === undefined) throw new Error('asked more often than expected');
      if (answer instanceof Error) throw answer;
      return answer;
    },
    websocket: async () => new PassThrough(),
    close: () => undefined,
  };
  return { caller: new Caller(transport), asked };
}

function response(status: number, text: string, contentType = 'application/json'): TransportResponse {
  return { status, headers: { 'content-type': contentType }, body: pieces(text) };
}

/** One byte at a time: whatever reads it must bear any division. */
async function* pieces(text: string): AsyncGenerator<Uint8Array> {
  for (const byte of Buffer.from(text)) yield Uint8Array.of(byte);
}

function stream(text: string): TransportResponse {
  return response(200, text, 'text/event-stream');
}

const gone: Problem = {
  type: 'urn:corral:error:api.history-gone',
  title: 'The history is gone',
  status: 410,
  detail: 'Events after 3 cannot be followed.',
  code: 'api.history-gone',
  params: { after: '3' },
};

const broken = clientErrors.unreachable({ endpoint: 'test:', reason: 'ECONNRESET' });
const target = { method: 'GET', path: '/v1/events/follow' };

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  return Array.fromAsync(source);
}

test('a query is encoded, what is undefined is left out', async () => {
  const { asked, caller } = scripted(response(200, '{}'));
  await caller.json({ method: 'GET', path: '/v1/vms', query: { limit: 3, after: 'a&b', x: undefined } }, {});
  assert.equal(asked[0]!.path, '/v1/vms?limit=3&after=a%26b');
});

test('a body and its generation are sent', async () => {
  const { asked, caller } = scripted(response(202, '{}'), response(202, '{}'));
  const change = { method: 'PATCH', path: '/v1/vms/a', body: { cpus: 2 } };
  await caller.json({ ...change, mediaType: 'application/merge-patch+json' }, { ifMatch: 4 });
  await caller.json(change, { ifMatch: '*' });
  assert.equal(asked[0]!.body, '{"cpus":2}');
  assert.equal(asked[0]!.headers['content-type'], 'application/merge-patch+json');
  assert.equal(asked[0]!.headers['if-match'], '"4"');
  assert.equal(asked[1]!.headers['if-match'], '*');
});

test('an answer without content is undefined', async () => {
  const { caller } = scripted({ status: 204, headers: {}, body: pieces('') });
  assert.equal(await caller.json(target, {}), undefined);
});

test('a problem is thrown with its code and values', async () => {
  const { caller } = scripted(response(410, JSON.stringify(gone), 'application/problem+json; charset=utf-8'));
  await assert.rejects(caller.json(target, {}), (thrown) => {
    assert.ok(thrown instanceof ApiProblem);
    assert.deepEqual([thrown.code, thrown.status, thrown.params], [gone.code, 410, gone.params]);
    assert.equal(thrown.message, gone.detail);
    return true;
  });
});

test('an answer that is not of corrald says so', async () => {
  const { caller } = scripted(response(502, '<html>', 'text/html'), response(200, '<html>'));
  await assert.rejects(caller.json(target, {}), { code: 'client.bad-answer', message: /status 502/ });
  await assert.rejects(caller.json(target, {}), { code: 'client.bad-answer', message: /not JSON/ });
});

test('a limit ends a call that hangs', async () => {
  const { caller } = scripted({
    status: 200,
    headers: {},
    body: (async function* () {
      await new Promise<never>(() => undefined);
      yield new Uint8Array();
    })(),
  });
  await assert.rejects(caller.json(target, { limitMs: 5 }), { code: 'core.timeout' });
});

test('a stream gives its events until it says that it has ended', async () => {
  const { caller } = scripted(
    stream(
      'retry: 1\n\nid: 1\nevent: event\ndata: {"n":1}\n\n:\n\nid: 2\ndata: {"n":2}\n\nevent: end\ndata:\n\n',
    ),
  );
  assert.deepEqual(await collect(caller.follow(target, {})), [{ n: 1 }, { n: 2 }]);
});

test('a stream that breaks is taken up after its last event', async () => {
  const { asked, caller } = scripted(
    broken,
    stream('id: 1\ndata: 1\n\nid: 2\ndata: 2\n\nid: 3\ndata: hal'),
    broken,
    response(503, JSON.stringify({ ...gone, status: 503, code: 'api.stopping' }), 'application/problem+json'),
    stream('id: 3\ndata: 3\n\nevent: end\ndata:\n\n'),
  );
  const breaks: unknown[] = [];
  const options = { onBreak: (cause: unknown) => void breaks.push(cause) };
  assert.deepEqual(await collect(caller.follow(target, options)), [1, 2, 3]);
  assert.deepEqual(
    asked.map(({ headers }) => headers['last-event-id']),
    [undefined, undefined, '2', '2', '2'],
  );
  assert.equal(breaks.length, 4);
});

test('a stream that the daemon refuses to go on with throws the problem', async () => {
  const { caller } = scripted(
    stream('id: 3\ndata: 3\n\n'),
    response(410, JSON.stringify(gone), 'application/problem+json'),
  );
  const seen: unknown[] = [];
  await assert.rejects(
    async () => {
      for await (const value of caller.follow(target, {})) seen.push(value);
    },
    { code: 'api.history-gone' },
  );
  assert.deepEqual(seen, [3]);
});

test('a daemon that stays away ends a stream with the last failure', async () => {
  const { caller } = scripted(broken);
  await assert.rejects(collect(caller.follow(target, { giveUpMs: 0 })), { code: 'client.unreachable' });
});

test('a signal ends a stream, also while it waits to come back', async () => {
  const controller = new AbortController();
  const { caller } = scripted(broken);
  const options = { signal: controller.signal, onBreak: () => controller.abort(new Error('enough')) };
  await assert.rejects(collect(caller.follow(target, options)), { message: 'enough' });
});

test('every item of a list is read page after page', async () => {
  const pages: Record<string, { items: number[]; next: string | null }> = {
    first: { items: [1, 2], next: 'b' },
    b: { items: [], next: 'c' },
    c: { items: [3], next: null },
  };
  assert.deepEqual(await collect(eachItem(async (after) => pages[after ?? 'first']!)), [1, 2, 3]);
});
