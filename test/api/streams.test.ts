/** Streams over the real server: followed, broken off, taken up again. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { isApiProblem } from '@corral/api/api-problem';
import type { Event } from '@corral/api/schemas/event';
import { sampleOperation } from '@corral/daemon/testing/sample-objects';
import { runDaemon } from './support.ts';

const limit = (): AbortSignal => AbortSignal.timeout(10_000);

function created(name: string) {
  return ['vm.created', { kind: 'vm', id: name, name }] as const;
}

test('events are followed through a restart of the daemon, none missed and none twice', async () => {
  await using running = await runDaemon();
  const { client, daemon } = running;
  const names: string[] = [];
  await daemon.events.append(...created('before'));
  const followed = client.event.follow({ after: 0 }, { signal: limit() });
  const next = async (): Promise<void> => void names.push((await followed.next()).value!.subject.name);
  await next();
  await daemon.events.append(...created('first'));
  await next();
  await running.restart();
  for (const name of ['away', 'second']) await daemon.events.append(...created(name));
  await next();
  await next();
  assert.deepEqual(names, ['before', 'first', 'away', 'second']);
  await followed.return(undefined);
});

test('a follower that comes too late learns that history is gone', async () => {
  await using running = await runDaemon();
  const events = running.client.event.follow({ after: 1000 }, { signal: limit() });
  await assert.rejects(
    events.next(),
    (thrown) => isApiProblem(thrown, 'api.history-gone') && thrown.status === 410,
  );
});

test('an operation is followed to its end, after what is known already', async () => {
  await using running = await runDaemon();
  const operation = sampleOperation({ revision: 5 });
  running.daemon.services.operationList.push(operation);
  const revisions = async (query: { after?: number }): Promise<number[]> => {
    const followed = running.client.operation.follow(operation.id, query, { signal: limit() });
    return (await Array.fromAsync(followed)).map(({ revision }) => revision);
  };
  assert.deepEqual(await revisions({}), [1, 2, 3, 4, 5]);
  assert.deepEqual(await revisions({ after: 3 }), [4, 5]);
});

test('an operation that is not there is a problem, not a stream', async () => {
  await using running = await runDaemon();
  const followed = running.client.operation.follow(sampleOperation().id, {}, { signal: limit() });
  await assert.rejects(followed.next(), (thrown) => isApiProblem(thrown, 'operation.not-found'));
});

test('Last-Event-ID of a browser goes on after it, a strange one is refused', async () => {
  await using running = await runDaemon();
  for (const name of ['a', 'b', 'c']) await running.daemon.events.append(...created(name));
  const open = async (lastEventId: string): Promise<IncomingMessage> => {
    const path = '/v1/events/follow?after=0';
    const headers = { 'last-event-id': lastEventId };
    const request = get({ socketPath: running.socketPath, path, headers, agent: false, signal: limit() });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return response;
  };
  const response = await open('2');
  assert.equal(response.headers['content-type'], 'text/event-stream');
  let text = '';
  for await (const piece of response.setEncoding('utf8')) {
    text += piece;
    if (text.includes('data: ')) break;
  }
  const event: Event = JSON.parse(/^data: (.*)$/m.exec(text)![1]!);
  assert.match(text, /^retry: 1000\n\nid: 3\nevent: event\n/);
  assert.equal(event.subject.name, 'c');
  const refused = await open('x');
  assert.equal(refused.statusCode, 400);
  refused.resume();
  await once(refused, 'end');
});

test('a client that goes away ends what was done for it', async () => {
  await using running = await runDaemon();
  const aborted = Promise.withResolvers<void>();
  const { host } = running.daemon.services;
  Object.assign(host, {
    doctor: (signal: AbortSignal) => {
      signal.addEventListener('abort', () => aborted.resolve());
      return new Promise(() => undefined);
    },
  });
  await assert.rejects(running.client.host.doctor({ limitMs: 50 }), { code: 'core.timeout' });
  await aborted.promise;
});
