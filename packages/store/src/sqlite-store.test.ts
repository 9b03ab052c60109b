import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import { ManualClock } from './clock.ts';
import { take } from './conformance/watch-tests.ts';
import { openSqliteStore } from './sqlite-store.ts';
import { storeConformance } from './store-conformance.ts';

/** What is tested here does not depend on the disk, and a flush takes its time where one is. */
const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** Where the thread stands in between matters little to most of what is tested, and starting one takes its time. */
storeConformance(
  'sqlite',
  async () => {
    const directory = await mkdtemp(join(base, 'corral-store-'));
    const clock = new ManualClock();
    const store = await openSqliteStore({ file: join(directory, 'store.sqlite'), clock, thread: false });
    return {
      store,
      leaseMs: 1_000,
      passTime: (ms) => clock.advance(ms),
      async [Symbol.asyncDispose]() {
        await store.close();
        await rm(directory, { recursive: true });
      },
    };
  },
  { runs: 30, limitMs: 10_000 },
);

test('a store whose thread writes: many changes at once, read back after it was opened again', async () => {
  const directory = await mkdtemp(join(base, 'corral-store-'));
  const file = join(directory, 'store.sqlite');
  try {
    const keys = Array.from({ length: 200 }, (_, index) => `k/${index}`);
    const first = await openSqliteStore({ file });
    const lease = await first.grantLease(60_000);
    await Promise.all(
      keys.map((key) => first.transact({ then: [{ put: key, value: key, leaseId: lease.id }] })),
    );
    await first.close();
    const second = await openSqliteStore({ file });
    assert.equal((await second.list('k/')).entries.length, keys.length);
    assert.equal((await take(second, 'k/', 1, keys.length)).length, keys.length);
    await second.close();
    await assert.rejects(second.get('k/1'), (e) => isCorralError(e, 'store.closed'));
  } finally {
    await rm(directory, { recursive: true });
  }
});
