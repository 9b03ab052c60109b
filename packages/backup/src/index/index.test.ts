import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { deriveKeys } from '../crypto/keys.ts';
import { MemoryStore } from '../object-store/memory-store.ts';
import { firstState } from '../state/state.ts';
import { addToFilter, filterBytesFor, mayHold } from './bloom-filter.ts';
import { PageCache } from './page-cache.ts';
import { PagedSegment } from './paged-segment.ts';
import { recordBytes, sortRecords, writeRecord } from './record.ts';
import { RecordTable } from './record-table.ts';
import { RepositoryIndex } from './repository-index.ts';
import { buildSegment, openWholeSegment, segmentName } from './segment-format.ts';

const keys = deriveKeys(Buffer.alloc(16, 1), Buffer.alloc(32, 2));
const session = Buffer.alloc(16, 3);

function randomRecords(count: number, packs = 3): { ids: Buffer[]; records: Buffer; packs: Buffer } {
  const ids = Array.from({ length: count }, () => randomBytes(32));
  const records = Buffer.alloc(count * recordBytes);
  for (const [at, id] of ids.entries()) {
    writeRecord(records, at * recordBytes, id, { pack: at % packs, offset: 64 + at, word: at });
  }
  return { ids, records: sortRecords(records), packs: randomBytes(packs * 32) };
}

test('a table finds what was added, all places of it, and nothing else', () => {
  const table = new RecordTable();
  const { ids } = randomRecords(1000);
  for (const [at, id] of ids.entries()) table.add(id, { pack: at, offset: at, word: at });
  table.add(ids[7]!, { pack: 7777, offset: 1, word: 1 });
  for (const [at, id] of ids.entries()) {
    const places = [...table.places(id)].map(({ pack }) => pack);
    assert.deepEqual(
      places.sort((a, b) => a - b),
      at === 7 ? [7, 7777] : [at],
    );
  }
  assert.ok(!table.has(randomBytes(32)));
});

test('records sort by their ids, whatever the ids', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 50 }), (ids) => {
      // Ids that share their first bytes test the second look.
      const close = ids.flatMap((id) => [
        id,
        Uint8Array.from(id, (byte, at) => (at === 31 ? byte ^ 1 : byte)),
      ]);
      const records = Buffer.alloc(close.length * recordBytes);
      for (const [at, id] of close.entries())
        writeRecord(records, at * recordBytes, id, { pack: 0, offset: at, word: 0 });
      const sorted = sortRecords(records);
      const found = close.map((_, at) => sorted.subarray(at * recordBytes, at * recordBytes + 32));
      assert.deepEqual(found, close.map((id) => Buffer.from(id)).sort(Buffer.compare));
    }),
  );
});

test('a filter forgets nothing and seldom errs', () => {
  const ids = Array.from({ length: 5000 }, () => randomBytes(32));
  const filter = Buffer.alloc(filterBytesFor(ids.length));
  for (const id of ids) addToFilter(filter, id);
  assert.ok(ids.every((id) => mayHold(filter, id)));
  const errors = Array.from({ length: 5000 }, () => randomBytes(32)).filter((id) =>
    mayHold(filter, id),
  ).length;
  assert.ok(errors < 150, `${errors} of 5000`);
});

for (const count of [0, 1, 256, 257, 2000]) {
  test(`a segment of ${count} entries reads as it was written, whole and by page`, async () => {
    const { ids, records, packs } = randomRecords(count);
    const { hash, bytes } = buildSegment(keys, session, records, packs, false);
    assert.ok(openWholeSegment('x', keys, bytes).records.equals(records));
    const store = new MemoryStore();
    const name = segmentName(hash);
    await store.put(name, bytes);
    const segment = await PagedSegment.open(store, keys, new PageCache(4096), name, bytes.length);
    await segment.loadFilter();
    for (const [at, id] of ids.entries()) {
      assert.ok(segment.mayHold(id));
      assert.equal((await segment.places(id))[0]?.offset, 64 + at);
    }
    assert.deepEqual(await segment.places(randomBytes(32)), []);
  });
}

test('an index refreshes, and tells what is doomed or listed by the revoked', async () => {
  const store = new MemoryStore();
  const index = new RepositoryIndex(store, keys);
  const { ids, records, packs } = randomRecords(10, 1);
  const { hash, bytes } = buildSegment(keys, session, records, packs, false);
  await store.put(segmentName(hash), bytes);
  await index.refresh(firstState);
  assert.ok(index.findInMemory(ids[0]!));
  await index.refresh({ ...firstState, doomed: [{ packs: [packs.toString('hex')], since: 1 }] });
  assert.equal(index.findInMemory(ids[0]!), undefined);
  assert.equal((await index.find(ids[0]!))?.isDoomed, true);
  await index.refresh({ ...firstState, revoked: ['03030303-0303-0303-0303-030303030303'] });
  assert.equal((await index.find(ids[0]!))?.isDoomed, true);
  await index.refresh({ ...firstState, superseded: [hash] });
  assert.equal(await index.find(ids[0]!), undefined);
});

test('merged segments count only when a state lists them', async () => {
  const store = new MemoryStore();
  const index = new RepositoryIndex(store, keys);
  const { ids, records, packs } = randomRecords(10);
  const { hash, bytes } = buildSegment(keys, session, records, packs, true);
  await store.put(segmentName(hash), bytes);
  await index.refresh(firstState);
  assert.equal(await index.find(ids[0]!), undefined);
  await index.refresh({ ...firstState, segments: [hash] });
  assert.ok(await index.find(ids[0]!));
});
