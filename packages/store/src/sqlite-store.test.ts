import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from './clock.ts';
import { openSqliteStore } from './sqlite-store.ts';
import { storeConformance } from './store-conformance.ts';

storeConformance(
  'sqlite',
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'corral-store-'));
    const clock = new ManualClock();
    const store = openSqliteStore({ file: join(directory, 'store.sqlite'), clock });
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
