/** The tests of some kinds of operations. `npm test`: all steps of a kind in one life; `test:crash`: each point alone. */
import { after, describe, it } from 'node:test';
import { CrashHost } from './crash-host.ts';
import { killDaemonAt } from './kill-daemon.ts';
import type { Scenario } from './scenarios.ts';
import { all, type CrashPoint, crashPoints, nameOf, seed } from './steps.ts';

/** A daemon that never reaches a point would be waited for without end. */
const limitMs = 90_000;
const limitOfPointMs = 30_000;

/** @param scenarios by kind */
export function killDaemonAtEveryStepOf(what: string, scenarios: Readonly<Record<string, Scenario>>): void {
  describe(`the daemon killed at every step: ${what} (seed ${seed})`, () => {
    const crash = new CrashHost();
    after(() => crash[Symbol.asyncDispose]());

    const struck = (name: string, points: readonly CrashPoint[], scenario: Scenario): void => {
      const limit = limitMs + points.length * limitOfPointMs;
      // The host ends the try before the test is ended, after which nobody would take it away.
      it(name, { timeout: limit + limitOfPointMs }, () =>
        crash.use((host) => killDaemonAt(host, points, scenario), limit),
      );
    };
    for (const [kind, scenario] of Object.entries(scenarios)) {
      const points = crashPoints(all, seed).filter((point) => point.kind === kind);
      if (all) for (const point of points) struck(nameOf(point), [point], scenario);
      else struck(points.map(nameOf).join(', '), points, scenario);
    }
  });
}
