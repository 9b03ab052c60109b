import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openStore, type StorePlace } from './open-store.ts';

async function placeOf(place: StorePlace): Promise<string> {
  const store = await openStore(place);
  await store.close();
  return store.place;
}

test('places are opened by what people write, and shown without their secrets', async () => {
  assert.equal(await placeOf({ kind: 'directory', path: '/backup/r' }), '/backup/r');
  assert.equal(await placeOf({ kind: 's3', url: 's3://bucket/some/where' }), 's3://bucket/some/where/');
  assert.equal(await placeOf({ kind: 's3', url: 'http://127.0.0.1:9000/bucket' }), 's3://bucket/');
  const signed = 'https://account.blob.core.windows.net/container/deep?sv=1&sig=SECRET';
  assert.equal(
    await placeOf({ kind: 'azure', url: signed }),
    'azure://account.blob.core.windows.net/container/deep/',
  );
});

test('what is no place is refused with the fix', async () => {
  const places: StorePlace[] = [
    { kind: 'directory', path: 'relative' },
    { kind: 's3', url: 'bucket' },
    { kind: 's3', url: 'https://host/' },
    { kind: 'azure', url: 's3://x/y' },
    { kind: 'azure', url: 'https://account.blob.core.windows.net/' },
  ];
  for (const place of places) await assert.rejects(openStore(place), { code: 'repository.unsupported-name' });
});
