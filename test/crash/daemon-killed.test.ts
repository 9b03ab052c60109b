/**
 * The daemon is killed at every step of every operation; the next one finishes or undoes it, nothing is left over, and
 * the next try works. `npm test` takes one phase of each step, chosen by the seed; `npm run test:crash` takes all.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { succeeded } from '../support/operations.ts';
import type { TestHost } from '../support/test-host.ts';
import { CrashHost } from './crash-host.ts';
import { allEnded, nothingLeftOver } from './invariants.ts';
import { scenarios } from './scenarios.ts';
import { all, type CrashPoint, crashPoints, nameOf, registry, seed } from './steps.ts';

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
    it(nameOf(point), { timeout: limitMs }, () => crash.use((host) => killAt(host, point)));
  }
});

async function killAt(host: TestHost, point: CrashPoint): Promise<void> {
  const scenario = scenarios[point.kind]!;
  const { client, data } = host;
  await scenario.prepare(client, data);
  const before = new Set((await client.operation.list({})).items.map(({ id }) => id));
  await host.arm(`${nameOf(point)}=kill-daemon`);

  // The daemon may die before it has answered; what it began is in its records.
  await Promise.all([scenario.begin(client, data).catch(() => null), host.daemonEnded()]);
  await host.startDaemon();
  await allEnded(client);
  await nothingLeftOver(client, data, host.daemonPid);

  const { items } = await client.operation.list({});
  const struck = items.find(({ id, kind }) => kind === point.kind && !before.has(id));
  assert.ok(struck, 'the operation was recorded before it began');
  if (struck.state === 'succeeded') return;
  assert.equal(struck.state, 'failed', 'it was undone');
  await succeeded(client, scenario.begin(client, data));
  await allEnded(client);
  await nothingLeftOver(client, data, host.daemonPid);
}
