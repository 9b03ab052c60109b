import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testObjectStore } from './conformance.ts';
import { LimitedStore } from './limited-store.ts';
import { MemoryStore } from './memory-store.ts';

testObjectStore('limited', async () => {
  const store = new MemoryStore();
  return {
    store: new LimitedStore(store, { signal: new AbortController().signal, limitMs: () => 60_000 }),
    plant: async (name, content) => {
      store.objects.set(name, { content, modifiedAt: Date.now(), retainUntil: 0 });
    },
    dispose: async () => undefined,
  };
});

const name = `index/${'a'.repeat(64)}`;
/** It never answers, and does not listen to signals either. */
const never = new Promise<never>(() => undefined);

class DeafStore extends MemoryStore {
  override put(): Promise<never> {
    return never;
  }

  override read(): Promise<never> {
    return never;
  }

  override async *list(): AsyncGenerator<never> {
    yield await never;
  }
}

const all = async (store: LimitedStore): Promise<void> => {
  for await (const _ of store.list('index/'));
};

test('a store that does not answer is given up after the limit', async () => {
  const store = new LimitedStore(new DeafStore(), { limitMs: () => 5 });
  const code = 'repository.store';
  await assert.rejects(store.read(name), { code });
  await assert.rejects(store.put(name, Buffer.alloc(1)), { code });
  await assert.rejects(all(store), { code });
});

test('a signal of the work ends its calls, whatever else they were given', async () => {
  const stop = new AbortController();
  const store = new LimitedStore(new DeafStore(), { signal: stop.signal, limitMs: () => 60_000 });
  const other = new AbortController();
  const calls = [store.read(name), store.read(name, undefined, other.signal), all(store)];
  stop.abort(new Error('cancelled'));
  for (const call of calls) await assert.rejects(call, /cancelled/);
});
