import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventListQuery } from '@corral/api/schemas/event';
import { TokenCreate } from '@corral/api/schemas/token';
import { EventLog } from '@corral/host/event-log';
import { openMemoryStore } from '@corral/store/memory-store';
import type { Store } from '@corral/store/store';
import { LogLines } from './testing/test-server.ts';
import { Tokens } from './tokens.ts';

const day = 86_400_000;

function tokensOver(store: Store, now: () => number = Date.now) {
  const events = new EventLog({ store, node: 'n1', log: new LogLines() });
  return { tokens: new Tokens({ store, events, now }), events };
}

function input(given: Record<string, unknown>): TokenCreate {
  return TokenCreate.parse(given);
}

test('a token is known by its secret until it expires', async () => {
  await using store = openMemoryStore();
  let now = 0;
  const { tokens } = tokensOver(store, () => now);
  const made = await tokens.create(input({ name: 'ci', role: 'operator', lifetimeMs: 5000 }), 'socket');
  assert.deepEqual(await tokens.verify(made.token), { name: 'token ci', role: 'operator' });
  now = 4999;
  assert.ok(await tokens.verify(made.token));
  now = 5000;
  assert.equal(await tokens.verify(made.token), null);
});

test('a token that is changed in any place is nobody’s', async () => {
  await using store = openMemoryStore();
  const { tokens } = tokensOver(store);
  const { token } = await tokens.create(input({ role: 'viewer' }), 'socket');
  for (let index = 0; index < token.length; index += 1) {
    const other = token[index] === 'A' ? 'B' : 'A';
    const changed = token.slice(0, index) + other + token.slice(index + 1);
    assert.equal(await tokens.verify(changed), null, `position ${index}`);
  }
  for (const text of ['', 'corral_', `${token}x`, ` ${token}`]) assert.equal(await tokens.verify(text), null);
});

test('only a hash of the secret is kept, and lists show neither', async () => {
  await using store = openMemoryStore();
  const { tokens } = tokensOver(store);
  const { token } = await tokens.create(input({ name: 'ci', role: 'viewer' }), 'socket');
  const secret = token.split('_').slice(2).join('_');
  const { entries } = await store.list('');
  assert.ok(entries.every(({ key, value }) => !key.includes(secret) && !value.includes(secret)));
  const [listed] = await tokens.list();
  assert.deepEqual(Object.keys(listed!).toSorted(), [
    'createdAt',
    'createdBy',
    'expiresAt',
    'id',
    'name',
    'role',
  ]);
});

test('a revoked token is refused at once, by name or by id, and its name is free again', async () => {
  await using store = openMemoryStore();
  const { tokens, events } = tokensOver(store);
  const first = await tokens.create(input({ name: 'ci', role: 'viewer' }), 'socket');
  await assert.rejects(tokens.create(input({ name: 'ci', role: 'viewer' }), 'socket'), {
    code: 'token.exists',
  });
  await tokens.revoke('ci', 'socket');
  assert.equal(await tokens.verify(first.token), null);
  const second = await tokens.create(input({ name: 'ci', role: 'viewer' }), 'socket');
  await tokens.revoke(second.id, 'socket');
  await assert.rejects(tokens.revoke('ci', 'socket'), { code: 'token.not-found' });
  const { items } = await events.list(EventListQuery.parse({ order: 'oldest' }));
  assert.deepEqual(
    items.map(({ type, data }) => [type, data['by']]),
    ['token.created', 'token.revoked', 'token.created', 'token.revoked'].map((type) => [type, 'socket']),
  );
});

test('tokens that expired a week ago are deleted when another is made', async () => {
  await using store = openMemoryStore();
  let now = 0;
  const { tokens } = tokensOver(store, () => now);
  await tokens.create(input({ name: 'old', role: 'viewer', lifetimeMs: day }), 'socket');
  now = 8 * day - 1;
  await tokens.create(input({ name: 'a', role: 'viewer' }), 'socket');
  assert.equal((await tokens.list()).length, 2);
  now = 8 * day;
  await tokens.create(input({ name: 'b', role: 'viewer' }), 'socket');
  assert.deepEqual((await tokens.list()).map(({ name }) => name).toSorted(), ['a', 'b']);
});
