import { ManualClock } from './clock.ts';
import { openMemoryStore } from './memory-store.ts';
import { storeConformance } from './store-conformance.ts';

storeConformance(
  'memory',
  async () => {
    const clock = new ManualClock();
    const store = openMemoryStore({ clock });
    return {
      store,
      leaseMs: 1_000,
      passTime: (ms) => clock.advance(ms),
      [Symbol.asyncDispose]: () => store.close(),
    };
  },
  { runs: 100, limitMs: 10_000 },
);
