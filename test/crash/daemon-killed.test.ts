/**
 * The daemon is killed at every step of every operation; the next one finishes or undoes it, nothing is left over, and
 * the next try works. `npm test` takes one phase of each step, chosen by the seed; `npm run test:crash` takes all.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { CrashHost } from './crash-host.ts';
import { killDaemonAt } from './kill-daemon.ts';
import { scenarios } from './scenarios.ts';
import { all, crashPoints, nameOf, registry, seed } from './steps.ts';

/** A daemon that never reaches the point would be waited for without end. */
const limitMs = 120_000;

describe(`the daemon killed at every step (seed ${seed})`, () => {
  const crash = new CrashHost();
  after(() => crash[Symbol.asyncDispose]());

  it('has a scenario for every kind of operation', () => {
    const kinds = registry()
      .list()
      .map(({ kind }) => kind);
    assert.deepEqual(Object.keys(scenarios).sort(), [...kinds].sort());
  });

  for (const point of crashPoints(all, seed)) {
    it(nameOf(point), { timeout: limitMs }, () =>
      crash.use((host) => killDaemonAt(host, point, scenarios[point.kind]!)),
    );
  }
});
