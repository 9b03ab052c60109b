import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import { Collection, checkGeneration, joinParts } from './documents.ts';
import { openMemoryStore } from './memory-store.ts';

interface Animal {
  readonly legs: number;
}

function parse(json: unknown): Animal {
  if (typeof json !== 'object' || json === null || !('legs' in json) || typeof json.legs !== 'number') {
    throw new Error('it has no legs');
  }
  return { legs: json.legs };
}

function open() {
  const store = openMemoryStore();
  return { store, animals: new Collection(store, { what: 'animal', prefix: 'animal/', parse }) };
}

const code = (expected: string) => (e: unknown) => isCorralError(e, expected);

describe('documents', () => {
  test('create, get, update, delete; the generation counts', async () => {
    const { animals } = open();
    const created = await animals.create('a horse/ü', { legs: 4 });
    assert.deepEqual(await animals.get('a horse/ü'), created);
    const updated = await animals.update(created, { legs: 3 });
    assert.deepEqual([updated.generation, updated.createRevision], [2, created.revision]);
    assert.deepEqual(await animals.get('a horse/ü'), updated);
    await animals.delete(updated);
    assert.equal(await animals.find('a horse/ü'), null);
    await assert.rejects(animals.get('a horse/ü'), code('store.not-found'));
  });

  test('a second create and a lost update are refused', async () => {
    const { animals } = open();
    const seen = await animals.create('cow', { legs: 4 });
    await assert.rejects(animals.create('cow', { legs: 4 }), code('store.exists'));
    await animals.update(seen, { legs: 5 });
    await assert.rejects(animals.update(seen, { legs: 6 }), code('store.conflict'));
    await assert.rejects(animals.delete(seen), code('store.conflict'));
    const present = await animals.get('cow');
    assert.equal(present.value.legs, 5);
    assert.throws(() => checkGeneration('animal', present, 1), code('store.conflict'));
    checkGeneration('animal', present, 2);
    checkGeneration('animal', present, undefined);
  });

  test('many changes at once all count', async () => {
    const { animals } = open();
    await animals.create('centipede', { legs: 0 });
    await Promise.all(
      Array.from({ length: 10 }, () => animals.change('centipede', ({ legs }) => ({ legs: legs + 1 }))),
    );
    const { value, generation } = await animals.get('centipede');
    assert.deepEqual([value.legs, generation], [10, 11]);
  });

  test('pages and the walk over all of them', async () => {
    const { animals, store } = open();
    await store.transact({ then: [{ put: 'animal', value: 'other' }] });
    for (const id of ['a', 'b', 'c']) await animals.create(id, { legs: 1 });
    const first = await animals.list({ limit: 2 });
    assert.deepEqual([first.items.map(({ id }) => id), first.next], [['a', 'b'], 'b']);
    const second = await animals.list({ limit: 2, after: 'b' });
    assert.deepEqual([second.items.map(({ id }) => id), second.next], [['c'], null]);
    const ids = await Array.fromAsync(animals.all(), ({ id }) => id);
    assert.deepEqual(ids, ['a', 'b', 'c']);
  });

  test('a document that does not fit its form is an error that names it', async () => {
    const { animals, store } = open();
    for (const value of ['{', '3', '{"generation":1,"value":{}}', '{"generation":"1","value":{"legs":1}}']) {
      await store.transact({ then: [{ put: 'animal/x', value }] });
      await assert.rejects(animals.get('x'), (e) => {
        assert.ok(isCorralError(e, 'store.bad-document'));
        assert.match(e.message, /animal "x"/);
        return true;
      });
    }
  });

  test('parts of several documents are one transaction', async () => {
    const { animals, store } = open();
    const cow = await animals.create('cow', { legs: 4 });
    const dog = await animals.create('dog', { legs: 4 });
    const parts = [
      animals.updating(cow, { legs: 3 }),
      animals.deleting(dog),
      animals.creating('cat', { legs: 4 }),
    ];
    const { succeeded, revision } = await store.transact(joinParts(parts));
    assert.ok(succeeded);
    assert.deepEqual(await Array.fromAsync(animals.all(), ({ id }) => id), ['cat', 'cow']);
    assert.equal((await store.transact(joinParts(parts))).succeeded, false);
    const changed = await animals.watch({ afterRevision: revision - 1 }).next();
    assert.deepEqual(
      changed.value?.changes.map(({ id, document }: { id: string; document: unknown }) => [
        id,
        document !== null,
      ]),
      [
        ['cow', true],
        ['dog', false],
        ['cat', true],
      ],
    );
  });
});
