import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Event } from '@corral/api/schemas/event';
import { EventListQuery } from '@corral/api/schemas/event';
import { isCorralError } from '@corral/core/errors';
import { storeErrors } from '@corral/store/errors';
import { openMemoryStore } from '@corral/store/memory-store';
import type { Store } from '@corral/store/store';
import { EventLog, type EventLogOptions } from './event-log.ts';
import type { Logger } from './logger.ts';

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (context, message) => assert.fail(`${message}: ${String(context['err'])}`),
  error: () => undefined,
};

function vm(name: string) {
  return { kind: 'vm', id: `id-of-${name}`, name } as const;
}

function logOver(store: Store, options: Partial<EventLogOptions> = {}): EventLog {
  return new EventLog({ store, node: 'n1', log: silent, ...options });
}

function query(given: Record<string, unknown> = {}): EventListQuery {
  return EventListQuery.parse(given);
}

async function appendMany(log: EventLog, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) await log.append('vm.created', vm(`vm${index}`));
}

async function take(source: AsyncIterable<Event>, count: number): Promise<number[]> {
  const seen: number[] = [];
  if (count === 0) return seen;
  for await (const event of source) {
    seen.push(event.seq);
    if (seen.length === count) break;
  }
  return seen;
}

test('an event carries number, severity, words and data', async () => {
  await using store = openMemoryStore();
  const log = logOver(store, { now: () => 0 });
  const event = await log.append('vm.qemu-died', vm('web1'), {
    lastWords: 'no such bus',
    whileDaemonWasAway: true,
  });
  assert.equal(event.seq, 1);
  assert.equal(event.severity, 'error');
  assert.equal(event.createdAt, '1970-01-01T00:00:00.000Z');
  assert.match(event.message, /web1 died while the daemon was away.*no such bus/);
  assert.deepEqual((await log.list(query())).items, [event]);
});

test('two logs on one store, as two nodes have, number without gap or double', async () => {
  await using store = openMemoryStore();
  const [a, b] = [logOver(store), logOver(store, { node: 'n2' })];
  await Promise.all([appendMany(a, 20), appendMany(b, 20)]);
  const { items } = await a.list(query({ order: 'oldest' }));
  assert.deepEqual(
    items.map((event) => event.seq),
    Array.from({ length: 40 }, (_, index) => index + 1),
  );
  assert.deepEqual(new Set(items.map((event) => event.node)), new Set(['n1', 'n2']));
});

test('lists page through all events from either end', async () => {
  await using store = openMemoryStore();
  const log = logOver(store);
  await appendMany(log, 250);
  for (const order of ['oldest', 'newest'] as const) {
    const seen: number[] = [];
    let after: string | null | undefined;
    while (after !== null) {
      const page = await log.list(query({ order, limit: 33, ...(after !== undefined && { after }) }));
      seen.push(...page.items.map((event) => event.seq));
      after = page.next;
    }
    const expected = Array.from({ length: 250 }, (_, index) => index + 1);
    assert.deepEqual(seen, order === 'oldest' ? expected : expected.toReversed());
  }
});

test('lists are filtered by subject, type and severity', async () => {
  await using store = openMemoryStore();
  const log = logOver(store);
  await log.append('vm.created', vm('a'));
  await log.append('vm.paused-io-error', vm('a'), { reason: 'EIO' });
  await log.append('vm.created', vm('b'));
  await log.append('host.daemon-stopped', { kind: 'host', id: 'h', name: 'h' });
  const seqs = async (given: Record<string, unknown>): Promise<number[]> =>
    (await log.list(query({ order: 'oldest', ...given }))).items.map((event) => event.seq);
  assert.deepEqual(await seqs({ subject: 'a' }), [1, 2]);
  assert.deepEqual(await seqs({ subject: 'id-of-b' }), [3]);
  assert.deepEqual(await seqs({ type: 'vm' }), [1, 2, 3]);
  assert.deepEqual(await seqs({ type: 'vm.created' }), [1, 3]);
  assert.deepEqual(await seqs({ severity: 'warning' }), [2]);
});

test('a cursor that no list gave is refused', async () => {
  await using store = openMemoryStore();
  await assert.rejects(logOver(store).list(query({ after: 'x' })), { code: 'api.invalid-request' });
});

test('history is bounded by count and by age, and the numbers go on', async () => {
  await using store = openMemoryStore();
  let now = 0;
  const log = logOver(store, { maxCount: 50, maxAgeMs: 1000, now: () => now });
  await appendMany(log, 128);
  const kept = async (): Promise<number[]> =>
    (await log.list(query({ order: 'oldest', limit: 1000 }))).items.map((event) => event.seq);
  assert.deepEqual(
    await kept(),
    Array.from({ length: 50 }, (_, index) => index + 79),
  );
  now = 5000;
  await appendMany(log, 64);
  assert.equal((await kept())[0], 143, 'those of time 0 are gone, and of the others 50 are kept');
});

test('following goes on after the number given and then takes what comes', async () => {
  await using store = openMemoryStore();
  const log = logOver(store);
  await appendMany(log, 150);
  const followed = await log.follow({ after: 20 }, AbortSignal.timeout(5000));
  const taken = take(followed, 140);
  await appendMany(log, 10);
  assert.deepEqual(
    await taken,
    Array.from({ length: 140 }, (_, index) => index + 21),
  );
});

test('following without a number begins now, and a filter leaves the rest out', async () => {
  await using store = openMemoryStore();
  const log = logOver(store);
  await appendMany(log, 3);
  const taken = take(await log.follow({ type: 'vm.paused' }, AbortSignal.timeout(5000)), 1);
  await appendMany(log, 3);
  await log.append('vm.paused', vm('a'));
  assert.deepEqual(await taken, [7]);
});

test('following after events that are gone, or that never were, says so', async () => {
  await using store = openMemoryStore();
  const log = logOver(store, { maxCount: 10 });
  await appendMany(log, 64);
  const gone = (error: unknown): boolean => isCorralError(error, 'api.history-gone');
  await assert.rejects(log.follow({ after: 20 }, AbortSignal.timeout(5000)), gone);
  await assert.rejects(log.follow({ after: 65 }, AbortSignal.timeout(5000)), gone);
  assert.deepEqual(
    await take(await log.follow({ after: 54 }, AbortSignal.timeout(5000)), 10),
    [55, 56, 57, 58, 59, 60, 61, 62, 63, 64],
  );
  await assert.doesNotReject(log.follow({ after: 64 }, AbortSignal.timeout(5000)));
});

test('a follower whose watch is too far behind reads again and misses nothing', async () => {
  await using store = openMemoryStore();
  const log = logOver(store);
  await appendMany(log, 2);
  const followed = (await log.follow({ after: 0 }, AbortSignal.timeout(5000)))[Symbol.asyncIterator]();
  await followed.next();
  await followed.next();
  const third = followed.next();
  await log.append('vm.paused', vm('a'));
  assert.equal((await third).value.seq, 3);
  await appendMany(log, 5);
  await store.compact(await store.revision());
  const rest: number[] = [];
  for (let index = 0; index < 5; index += 1) rest.push((await followed.next()).value.seq);
  assert.deepEqual(rest, [4, 5, 6, 7, 8]);
});

test('an append whose answer was lost is not written twice', async () => {
  await using store = openMemoryStore();
  let losses = 3;
  const lossy: Store = Object.create(store, {
    transact: {
      value: async (...given: Parameters<Store['transact']>) => {
        const stored = losses !== 2;
        const result = stored ? await store.transact(...given) : null;
        losses -= 1;
        if (losses >= 0 || result === null) throw storeErrors['unknown-outcome']({ what: 'an event' });
        return result;
      },
    },
    get: { value: store.get.bind(store) },
    list: { value: store.list.bind(store) },
  });
  const log = logOver(lossy);
  await appendMany(log, 4);
  const { items } = await log.list(query({ order: 'oldest' }));
  assert.deepEqual(
    items.map((event) => event.subject.name),
    ['vm0', 'vm1', 'vm2', 'vm3'],
  );
});

test('a failed append does not stop the next', async () => {
  await using store = openMemoryStore();
  let fail = true;
  const failing: Store = Object.create(store, {
    transact: {
      value: (...given: Parameters<Store['transact']>) => {
        if (!fail) return store.transact(...given);
        return Promise.reject(storeErrors.full({ file: 'x' }));
      },
    },
    get: { value: store.get.bind(store) },
  });
  const log = logOver(failing);
  const first = log.append('vm.created', vm('a'));
  await assert.rejects(first, { code: 'store.full' });
  fail = false;
  assert.equal((await log.append('vm.created', vm('b'))).seq, 1);
});
