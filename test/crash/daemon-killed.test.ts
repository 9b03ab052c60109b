/**
 * The daemon is killed at every step of every operation; the next one finishes or undoes it, nothing is left over, and
 * the next try works. `npm test` takes one phase of each step, chosen by the seed; `npm run test:crash` takes all.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';
import { allEnded, nothingLeftOver } from './invariants.ts';
import { scenarios } from './scenarios.ts';
import { type CrashPoint, crashPoints, registry } from './steps.ts';

const all = process.env['CORRAL_TEST_ALL'] === '1';
/** A daemon that never reaches the point would be waited for without end. */
const limitMs = 120_000;
const seed = Number(process.env['CORRAL_TEST_SEED'] ?? new Date().getUTCDate());

describe(`the daemon killed at every step (seed ${seed})`, () => {
  it('has a scenario for every kind of operation', () => {
    const kinds = registry()
      .list()
      .map(({ kind }) => kind);
    assert.deepEqual(Object.keys(scenarios).sort(), [...kinds].sort());
  });

  for (const point of crashPoints(all, seed)) {
    it(`${point.kind}: ${point.phase} ${point.step}`, { timeout: limitMs }, () => killAt(point));
  }
});

async function killAt(point: CrashPoint): Promise<void> {
  const scenario = scenarios[point.kind]!;
  await using host = await TestHost.start();
  const { client, data } = host;
  await scenario.prepare(client, data);
  const fault = `${point.kind}/${point.step}/${point.phase}=kill-daemon`;
  await host.restart('SIGTERM', { env: { CORRAL_FAULTS: fault } });

  // The daemon may die before it has answered; what it began is in its records.
  await Promise.all([scenario.begin(client, data).catch(() => null), host.daemonEnded()]);
  await host.startDaemon();
  await allEnded(client);
  await nothingLeftOver(client, data, host.daemonPid);

  const struck = (await client.operation.list({})).items.find(({ kind }) => kind === point.kind);
  assert.ok(struck, 'the operation was recorded before it began');
  if (struck.state === 'succeeded') return;
  assert.equal(struck.state, 'failed', 'it was undone');
  await succeeded(client, scenario.begin(client, data));
  await allEnded(client);
  await nothingLeftOver(client, data, host.daemonPid);
}
