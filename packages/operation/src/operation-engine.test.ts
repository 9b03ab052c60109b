import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defineErrors, error, isCorralError } from '@corral/core/errors';
import { newId } from '@corral/core/ids';
import type { OperationState } from '@corral/core/operation-states';
import { storeErrors } from '@corral/store/errors';
import { openMemoryStore } from '@corral/store/memory-store';
import type { Store } from '@corral/store/store';
import type { OperationEngineOptions } from './engine-options.ts';
import { defineOperation, type OperationSnapshot, type StepContext } from './operation.ts';
import { type OperationEngine, openOperationEngine } from './operation-engine.ts';
import { OperationHalt } from './operation-observer.ts';
import { OperationRegistry } from './operation-registry.ts';

const testErrors = defineErrors('test', {
  broken: error<{ part: string }>(409, 'Broken', (p) => `The ${p.part} is broken. Mend it.`),
});

const code = (expected: string) => (e: unknown) => isCorralError(e, expected);
const limits = { attempts: 2, firstDelayMs: 1, longestDelayMs: 1 };

/** What the steps of `work` do is the test's to say. */
interface Work {
  run: (context: StepContext<string, object>) => Promise<unknown>;
  undo: () => Promise<void>;
  finish: () => Promise<unknown>;
}

function definition(work: Partial<Work>, change: { kind?: string; version?: number; shared?: boolean } = {}) {
  return defineOperation<string>({
    kind: change.kind ?? 'test.work',
    version: change.version ?? 1,
    input: (json) => {
      if (typeof json !== 'string') throw new Error('not a string');
      return json;
    },
    target: (vm) => [change.shared ? { shared: `vm/${vm}` } : `vm/${vm}`],
    title: (vm) => `Work on ${vm}`,
    cancellable: true,
    steps: [
      {
        name: 'work',
        run: async (context) => (await work.run?.(context)) ?? null,
        undo: async () => work.undo?.(),
      },
      { name: 'turn', pivot: true, run: async () => null, undo: async () => undefined },
      { name: 'finish', run: async () => (await work.finish?.()) ?? null },
    ],
    output: (vm, results) => ({ vm, work: results['work'] }),
  });
}

function open(
  store: Store,
  operations: readonly ReturnType<typeof definition>[],
  options: Partial<OperationEngineOptions> = {},
): Promise<OperationEngine> {
  const registry = new OperationRegistry(operations);
  return openOperationEngine({ store, registry, owner: 'node1', limits, progressIntervalMs: 1, ...options });
}

/** A step that runs until the test lets it go on, and stops when it is told to. */
function gate() {
  const entered = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  const run = async ({ signal }: { signal: AbortSignal }): Promise<void> => {
    entered.resolve();
    const { promise, reject } = Promise.withResolvers<never>();
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    await Promise.race([opened.promise, promise]);
  };
  return { run, entered: entered.promise, open: opened.resolve };
}

async function reaches(
  engine: OperationEngine,
  id: string,
  state: OperationState,
): Promise<OperationSnapshot> {
  for await (const snapshot of engine.follow(id)) if (snapshot.state === state) return snapshot;
  throw new Error(`it ended without being ${state}`);
}

describe('an operation', { timeout: 10_000 }, () => {
  test('runs to its end and gives its output', async () => {
    const store = openMemoryStore();
    const work = definition({ run: async () => ({ made: 1 }) });
    await using engine = await open(store, [work]);
    const started = await engine.start(work, 'web1', { requestedBy: 'anna' });
    assert.equal(started.state, 'running');
    const ended = await engine.wait(started.id);
    assert.deepEqual(
      [ended.state, ended.output, ended.title, ended.requestedBy, ended.owner, ended.targets],
      ['succeeded', { vm: 'web1', work: { made: 1 } }, 'Work on web1', 'anna', 'node1', ['vm/web1']],
    );
    assert.ok(ended.createdAt <= (ended.finishedAt ?? ''));
    assert.deepEqual((await store.list('operation-lock/')).entries, []);
  });

  test('can be struck in the midst of a step, where the step says so', async () => {
    const points: string[] = [];
    const work = definition({ run: ({ within }) => within() });
    await using engine = await open(openMemoryStore(), [work], {
      observer: ({ step, phase }) => {
        points.push(`${step} ${phase}`);
        if (phase === 'within') throw new Error('struck');
      },
    });
    const ended = await engine.wait((await engine.start(work, 'web1')).id);
    assert.deepEqual([ended.state, ended.error?.message], ['failed', 'Error: struck']);
    assert.deepEqual(points.slice(0, 2), ['work before', 'work within']);
  });

  test('refuses input that its definition refuses, and records nothing', async () => {
    const store = openMemoryStore();
    const work = definition({});
    await using engine = await open(store, [work]);
    await assert.rejects(engine.start(work, 3 as never), /not a string/);
    await assert.rejects(
      engine.start(definition({}, { kind: 'test.other' }), 'web1'),
      code('operation.unknown-kind'),
    );
    assert.deepEqual((await store.list('')).entries, []);
  });

  test('that fails brings its error back, with code, params and causes', async () => {
    const cause = new Error('deep');
    const run = () => Promise.reject(testErrors.broken({ part: 'disk' }, { cause }));
    const work = definition({ run });
    await using engine = await open(openMemoryStore(), [work]);
    await assert.rejects(engine.run(work, 'web1'), (e) => {
      assert.ok(isCorralError(e, 'test.broken'));
      assert.deepEqual(
        [e.status, e.params, e.message],
        [409, { part: 'disk' }, 'The disk is broken. Mend it.'],
      );
      assert.match(String(e.cause), /deep/);
      return true;
    });
  });

  test('whose result cannot be stored fails', async () => {
    const results: unknown[] = ['x'.repeat(300_000), 10n];
    const work = definition({ run: async () => results.pop() });
    await using engine = await open(openMemoryStore(), [work]);
    await assert.rejects(engine.run(work, 'web1'), code('operation.bad-result'));
    await assert.rejects(engine.run(work, 'web1'), code('operation.bad-result'));
  });

  test('with an id of the caller is started once', async () => {
    let runs = 0;
    const work = definition({ run: async () => (runs += 1) });
    await using engine = await open(openMemoryStore(), [work]);
    const id = newId();
    await engine.run(work, 'web1', { id });
    await engine.run(work, 'web1', { id });
    assert.equal(runs, 1);
  });

  test('whose step does not end within its limit fails, when the step has ended', async () => {
    const { run } = gate();
    const slow = defineOperation<null, { work: null }>({
      kind: 'test.slow',
      input: () => null,
      target: () => [],
      title: () => 'Be slow',
      cancellable: false,
      steps: [{ name: 'work', limitMs: 5, run: (context) => run(context).then(() => null) }],
    });
    await using engine = await openOperationEngine({
      store: openMemoryStore(),
      registry: new OperationRegistry([slow]),
      owner: 'node1',
    });
    await assert.rejects(engine.run(slow, null), code('core.timeout'));
  });
});

describe('a locked resource', { timeout: 10_000 }, () => {
  test('refuses a second operation and names the first', async () => {
    const first = gate();
    const work = definition({ run: first.run });
    await using engine = await open(openMemoryStore(), [work]);
    const { id } = await engine.start(work, 'web1');
    await assert.rejects(engine.start(work, 'web1'), (e) => {
      assert.ok(isCorralError(e, 'operation.busy'));
      assert.deepEqual(e.params, { target: 'vm/web1', operationId: id, title: 'Work on web1' });
      return true;
    });
    const other = await engine.start(work, 'web2');
    first.open();
    await engine.wait(other.id);
    await engine.wait(id);
    assert.equal((await engine.wait((await engine.start(work, 'web1')).id)).state, 'succeeded');
  });

  test('is passed on in the order of the queue', async () => {
    const gates = [gate(), gate(), gate()];
    const order: string[] = [];
    const work = definition({
      run: async (context) => {
        order.push(context.operationId);
        await gates[order.length - 1]!.run(context);
      },
    });
    await using engine = await open(openMemoryStore(), [work]);
    const ids: string[] = [];
    for (let index = 0; index < 3; index += 1) {
      const { id, state } = await engine.start(work, 'web1', { whenBusy: 'queue' });
      assert.equal(state, index === 0 ? 'running' : 'pending');
      ids.push(id);
    }
    await assert.rejects(engine.start(work, 'web1'), code('operation.busy'));
    for (const { open } of gates) open();
    for (const id of ids) assert.equal((await engine.wait(id)).state, 'succeeded');
    assert.deepEqual(order, ids);
  });

  test('that is shared is held by several, and by none alone', async () => {
    const first = gate();
    const reader = definition({ run: first.run }, { kind: 'test.read', shared: true });
    const writer = definition({}, { kind: 'test.write' });
    await using engine = await open(openMemoryStore(), [reader, writer]);
    const readers = [await engine.start(reader, 'web1'), await engine.start(reader, 'web1')];
    await assert.rejects(engine.start(writer, 'web1'), code('operation.busy'));
    const { id } = await engine.start(writer, 'web1', { whenBusy: 'queue' });
    await assert.rejects(engine.start(reader, 'web1'), code('operation.busy'));
    first.open();
    for (const each of readers) await engine.wait(each.id);
    assert.equal((await engine.wait(id)).state, 'succeeded');
  });

  test('is granted by the engine of one node when that of another frees it', async () => {
    const store = openMemoryStore();
    const first = gate();
    const work = definition({ run: first.run });
    await using engine1 = await open(store, [work]);
    await using engine2 = await open(store, [work], { owner: 'node2' });
    await engine1.start(work, 'web1');
    const { id } = await engine2.start(work, 'web1', { whenBusy: 'queue' });
    first.open();
    assert.equal((await engine1.wait(id)).owner, 'node2');
  });
});

describe('a cancel', { timeout: 10_000 }, () => {
  test('aborts the step, undoes, and ends as cancelled; from any node', async () => {
    const store = openMemoryStore();
    const first = gate();
    let undone = 0;
    const work = definition({
      run: first.run,
      undo: async () => {
        undone += 1;
      },
    });
    await using engine1 = await open(store, [work]);
    await using engine2 = await open(store, [work], { owner: 'node2' });
    const { id } = await engine1.start(work, 'web1');
    await first.entered;
    await engine2.cancel(id);
    const ended = await engine2.wait(id);
    assert.deepEqual([ended.state, ended.error?.code, undone], ['cancelled', 'operation.cancelled', 1]);
    await assert.rejects(engine2.cancel(id), code('operation.not-cancellable'));
    assert.deepEqual(
      (await store.list('')).entries.map(({ key }) => key),
      [`operation/${id}`],
    );
  });

  test('ends one that waits, and frees its place', async () => {
    const first = gate();
    const work = definition({ run: first.run });
    await using engine = await open(openMemoryStore(), [work]);
    const { id } = await engine.start(work, 'web1');
    const second = await engine.start(work, 'web1', { whenBusy: 'queue' });
    const third = await engine.start(work, 'web1', { whenBusy: 'queue' });
    assert.equal((await engine.cancel(second.id)).state, 'cancelled');
    first.open();
    assert.equal((await engine.wait(third.id)).state, 'succeeded');
    assert.equal((await engine.wait(id)).state, 'succeeded');
  });

  test('of what is not there is refused', async () => {
    await using engine = await open(openMemoryStore(), []);
    for (const id of [newId(), 'nonsense']) {
      await assert.rejects(engine.cancel(id), code('operation.not-found'));
      await assert.rejects(engine.get(id), code('operation.not-found'));
      await assert.rejects(engine.wait(id), code('operation.not-found'));
    }
  });
});

describe('following', { timeout: 10_000 }, () => {
  test('shows the states and the progress, from another engine, and goes on from a revision', async () => {
    const store = openMemoryStore();
    const first = gate();
    const work = definition({
      run: async (context) => {
        context.progress({ done: 1, total: 4, unit: 'bytes', message: 'Copying' });
        await first.run(context);
      },
    });
    await using engine1 = await open(store, [work]);
    await using engine2 = await open(store, [], { owner: 'node2' });
    const { id } = await engine1.start(work, 'web1');
    let seen = 0;
    for await (const snapshot of engine2.follow(id)) {
      seen = snapshot.revision;
      if (snapshot.progress?.message === 'Copying') break;
    }
    first.open();
    const rest = await Array.fromAsync(engine2.follow(id, { afterRevision: seen }));
    assert.ok(rest.every(({ revision }) => revision > seen));
    assert.equal(rest.at(-1)?.state, 'succeeded');
    assert.equal(rest.at(-1)?.progress, null);
    assert.deepEqual(await Array.fromAsync(engine2.follow(id, { afterRevision: rest.at(-1)!.revision })), []);
    assert.deepEqual(
      (await Array.fromAsync(engine2.follow(id))).map(({ state }) => state),
      ['succeeded'],
    );
  });

  test('goes on when history is gone', async () => {
    const store = openMemoryStore();
    const first = gate();
    const work = definition({ run: first.run });
    await using engine = await open(store, [work]);
    const { id } = await engine.start(work, 'web1');
    const iterator = engine.follow(id)[Symbol.asyncIterator]();
    await iterator.next();
    first.open();
    await engine.wait(id);
    await store.compact(await store.revision());
    const { value } = await iterator.next();
    assert.equal(value?.state, 'succeeded');
  });

  test('writes progress once per interval, the latest', async () => {
    const store = openMemoryStore();
    const first = gate();
    const work = definition({
      run: async (context) => {
        for (let done = 0; done <= 100_000; done += 1) {
          context.progress({ done, total: 100_000, unit: 'bytes', message: '' });
        }
        await first.run(context);
      },
    });
    await using engine = await open(store, [work]);
    const { id } = await engine.start(work, 'web1');
    for await (const { progress } of engine.follow(id)) if (progress?.done === 100_000) break;
    const writes = (await store.revision()) - 1;
    assert.ok(writes < 10, `${writes} writes`);
    first.open();
    await engine.wait(id);
  });

  test('all of them', async () => {
    const work = definition({});
    await using engine = await open(openMemoryStore(), [work]);
    const one = await engine.wait((await engine.start(work, 'web1')).id);
    const stop = new AbortController();
    const following = (async () => {
      const ended = new Set<string>();
      for await (const snapshot of engine.followAll({ afterRevision: one.revision, signal: stop.signal })) {
        assert.notEqual(snapshot.id, one.id);
        if (snapshot.state === 'succeeded') ended.add(snapshot.id);
        if (ended.size === 2) return ended;
      }
      return ended;
    })();
    const ids = [(await engine.start(work, 'web2')).id, (await engine.start(work, 'web3')).id];
    assert.deepEqual(await following, new Set(ids));
  });
});

describe('lists', { timeout: 10_000 }, () => {
  test('are newest first, filtered, in pages', async () => {
    const work = definition({});
    await using engine = await open(openMemoryStore(), [work]);
    const ids: string[] = [];
    for (const vm of ['web1', 'web2', 'web1'])
      ids.unshift((await engine.wait((await engine.start(work, vm)).id)).id);
    const all = await engine.list();
    assert.deepEqual(
      all.items.map(({ id }) => id),
      ids,
    );
    const page = await engine.list({ limit: 2 });
    assert.deepEqual([page.items.map(({ id }) => id), page.next], [ids.slice(0, 2), ids[1]]);
    const rest = await engine.list({ limit: 2, after: ids[1] });
    assert.deepEqual([rest.items.map(({ id }) => id), rest.next], [ids.slice(2), null]);
    assert.equal((await engine.list({ target: 'vm/web1' })).items.length, 2);
    assert.equal((await engine.list({ state: 'failed' })).items.length, 0);
  });

  test('are pruned by number and age; what runs stays', async () => {
    const store = openMemoryStore();
    const first = gate();
    const quick = definition({});
    const slow = definition({ run: first.run }, { kind: 'test.slow' });
    await using engine = await open(store, [quick, slow], { retention: { keep: 2, maxAgeMs: 60_000 } });
    const running = await engine.start(slow, 'web0');
    const ids: string[] = [];
    for (const vm of ['web1', 'web2', 'web3'])
      ids.unshift((await engine.wait((await engine.start(quick, vm)).id)).id);
    await engine.prune();
    assert.deepEqual(
      (await engine.list()).items.map(({ id }) => id),
      [...ids.slice(0, 2), running.id],
    );
    await using strict = await open(store, [], { owner: 'node2', retention: { maxAgeMs: -1 } });
    await strict.prune();
    assert.deepEqual(
      (await engine.list()).items.map(({ id }) => id),
      [running.id],
    );
    first.open();
    await engine.wait(running.id);
  });
});

describe('trouble', { timeout: 10_000 }, () => {
  test('after the pivot makes it stuck, until it is retried', async () => {
    let mended = false;
    const finish = async () => {
      if (!mended) throw testErrors.broken({ part: 'switch' });
    };
    const work = definition({ finish });
    const states: OperationState[] = [];
    await using engine = await open(openMemoryStore(), [work], {
      onChange: ({ state }) => states.push(state),
    });
    await assert.rejects(engine.run(work, 'web1'), (e) => {
      assert.ok(isCorralError(e, 'operation.stuck') && isCorralError(e.cause, 'test.broken'));
      return true;
    });
    const [stuck] = (await engine.list()).items;
    assert.equal(stuck?.error?.code, 'test.broken');
    await assert.rejects(engine.start(work, 'web1'), code('operation.busy'));
    await assert.rejects(engine.cancel(stuck!.id), code('operation.not-cancellable'));
    mended = true;
    await engine.retry(stuck!.id);
    const ended = await reaches(engine, stuck!.id, 'succeeded');
    assert.equal(ended.error, null);
    await assert.rejects(engine.retry(stuck!.id), code('operation.not-stuck'));
    assert.equal(states.at(-1), 'succeeded');
    assert.ok(states.includes('stuck'));
  });

  test('of the store is borne: what cannot be recorded waits, an answer that was lost is found out', async () => {
    const memory = openMemoryStore();
    let calls = 0;
    const flaky: Store = Object.assign(Object.create(memory), {
      get: memory.get.bind(memory),
      list: memory.list.bind(memory),
      watch: memory.watch.bind(memory),
      revision: memory.revision.bind(memory),
      transact: async (transaction: Parameters<Store['transact']>[0]) => {
        calls += 1;
        if (calls % 5 === 1) throw storeErrors['unknown-outcome']({ what: 'nothing' });
        if (calls % 5 === 3 || calls % 5 === 0) throw storeErrors.full({ file: 'f' });
        const result = await memory.transact(transaction);
        if (calls % 5 === 2) throw storeErrors['unknown-outcome']({ what: 'this' });
        return result;
      },
    });
    const work = definition({});
    const trouble: unknown[] = [];
    await using engine = await open(flaky, [work], { onTrouble: (e) => trouble.push(e) });
    await engine.run(work, 'web1');
    assert.ok(trouble.length > 0 && trouble.every((e) => isCorralError(e, 'store.full')));
    assert.deepEqual((await memory.list('operation-lock/')).entries, []);
    assert.equal((await memory.list('operation/')).entries.length, 1);
  });
});

describe('a daemon that comes up again', { timeout: 10_000 }, () => {
  /** An engine that died in the first step. */
  async function dead(store: Store, work: ReturnType<typeof definition>): Promise<string> {
    const halted = Promise.withResolvers<void>();
    await using engine = await open(store, [work], {
      observer: ({ phase }) => {
        if (phase !== 'after-run') return;
        halted.resolve();
        throw new OperationHalt();
      },
    });
    const { id } = await engine.start(work, 'web1');
    await halted.promise;
    return id;
  }

  test('leaves operations of other nodes alone until it adopts them', async () => {
    const store = openMemoryStore();
    const work = definition({});
    const id = await dead(store, work);
    await using engine = await open(store, [work], { owner: 'node2' });
    assert.deepEqual(await engine.resumeAll(), []);
    await engine.adopt('node1');
    const ended = await engine.wait(id);
    assert.deepEqual(
      [ended.state, ended.owner, ended.error?.code],
      ['failed', 'node2', 'operation.interrupted'],
    );
  });

  test('leaves alone what it does not know how to run, until a version that does is back', async () => {
    const store = openMemoryStore();
    const work = definition({});
    const id = await dead(store, work);
    for (const [others, expected] of [
      [[], 'operation.unknown-kind'],
      [[definition({}, { version: 2 })], 'operation.definition-changed'],
    ] as const) {
      await using engine = await open(store, others);
      await engine.resumeAll();
      const stuck = await engine.get(id);
      assert.equal(stuck.state, 'stuck');
      await assert.rejects(engine.retry(id), code(expected));
    }
    await using engine = await open(store, [work]);
    await engine.retry(id);
    assert.equal((await engine.wait(id)).state, 'succeeded');
  });

  test('takes up what waited, and its queue', async () => {
    const store = openMemoryStore();
    const first = gate();
    const work = definition({ run: first.run });
    const ids: string[] = [];
    {
      await using engine = await open(store, [work]);
      for (let index = 0; index < 3; index += 1)
        ids.push((await engine.start(work, 'web1', { whenBusy: 'queue' })).id);
    }
    first.open();
    await using engine = await open(store, [work]);
    await engine.resumeAll();
    const states = [];
    for (const id of ids) states.push((await engine.wait(id)).state);
    assert.deepEqual(states, ['failed', 'succeeded', 'succeeded']);
  });

  test('does not count a stop in good order as a crash', async () => {
    const store = openMemoryStore();
    let runs = 0;
    const entered = () => runs;
    const stubborn = gate();
    const work = defineOperation<string, { work: null }>({
      kind: 'test.long',
      input: (json) => json as string,
      target: () => [],
      title: () => 'Take long',
      cancellable: false,
      afterCrash: 'resume',
      steps: [
        {
          name: 'work',
          run: async (context) => {
            runs += 1;
            await stubborn.run(context);
            return null;
          },
        },
      ],
    });
    const registry = new OperationRegistry([work]);
    const openLong = () => openOperationEngine({ store, registry, owner: 'node1', limits: { crashes: 2 } });
    let id = '';
    for (let restart = 0; restart < 5; restart += 1) {
      await using engine = await openLong();
      if (restart === 0) ({ id } = await engine.start(work, ''));
      else await engine.resumeAll();
      await stubborn.entered;
    }
    stubborn.open();
    await using engine = await openLong();
    await engine.resumeAll();
    assert.equal((await engine.wait(id)).state, 'succeeded');
    assert.ok(entered() > 1);
  });

  test('takes over from one that still runs: the old one records nothing any more', async () => {
    const store = openMemoryStore();
    const first = gate();
    const work = definition({ run: first.run });
    const trouble: unknown[] = [];
    await using old = await open(store, [work], { onTrouble: (e) => trouble.push(e) });
    const { id } = await old.start(work, 'web1');
    await first.entered;
    await using engine = await open(store, [work], { owner: 'node2' });
    await engine.adopt('node1');
    const ended = await engine.wait(id);
    first.open();
    await old.close();
    assert.equal(ended.state, 'failed');
    assert.deepEqual(await engine.get(id), ended);
    assert.ok(
      trouble.every((e) => isCorralError(e, 'operation.not-owner')),
      String(trouble),
    );
    assert.equal(trouble.length, 1);
  });
});
