/**
 * What every store must do, run over each implementation. A test file calls `storeConformance` with the way to
 * open an empty store; the examples come first, then random transactions against a model (conformance/model.ts).
 */
import { describe } from 'node:test';
import { keyTests } from './conformance/key-tests.ts';
import { leaseTests } from './conformance/lease-tests.ts';
import { propertyTests } from './conformance/property-tests.ts';
import { watchTests } from './conformance/watch-tests.ts';
import type { Store } from './store.ts';

/** An empty store and what its test needs beside it. Disposing it closes the store and removes its files. */
export interface StoreFixture extends AsyncDisposable {
  readonly store: Store;
  /** The shortest lease that this store grants. */
  readonly leaseMs: number;
  /** Moves the clock that leases are judged on; where that is the real one, does nothing: the test waits anyway. */
  passTime(ms: number): void;
}

export interface ConformanceOptions {
  /** Runs of each property. */
  readonly runs: number;
  /** Limit of each test, in ms. */
  readonly limitMs: number;
}

export type OpenFixture = () => Promise<StoreFixture>;

export function storeConformance(name: string, open: OpenFixture, options: ConformanceOptions): void {
  describe(`${name}: conformance`, { timeout: options.limitMs * 40 }, () => {
    keyTests(open, options);
    watchTests(open, options);
    leaseTests(open, options);
    propertyTests(open, options);
  });
}
