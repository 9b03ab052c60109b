/** One try: the daemon dies at a point of an operation, the next one finishes or undoes it, nothing is left over. */
import assert from 'node:assert/strict';
import { succeeded } from '../support/operations.ts';
import type { TestHost } from '../support/test-host.ts';
import { assertKept, assertSoundLayers, guestData } from './guest-data.ts';
import { allEnded, nothingLeftOver } from './invariants.ts';
import type { Scenario } from './scenarios.ts';
import { type CrashPoint, nameOf } from './steps.ts';

export async function killDaemonAt(host: TestHost, point: CrashPoint, scenario: Scenario): Promise<void> {
  const { client, data } = host;
  await scenario.prepare(client, data);
  const content = await guestData(client, data);
  const expected = await scenario.expect?.(client, data);
  const sound = async (): Promise<void> => {
    await nothingLeftOver(client, data, host.daemonPid);
    await assertKept(client, data, content, scenario.goesBack ?? false);
    await assertSoundLayers(client, data, false);
  };
  const before = new Set((await client.operation.list({})).items.map(({ id }) => id));
  await host.arm(`${nameOf(point)}=kill-daemon`);

  // The daemon may die before it has answered; what it began is in its records.
  const begun = scenario.begin(client, data).catch(() => null);
  await host.daemonEnded();
  await host.startDaemon();
  // One that follows what it began goes on following.
  await begun;
  await allEnded(client);
  await sound();

  const { items } = await client.operation.list({});
  const struck = items.find(({ id, kind }) => kind === point.kind && !before.has(id));
  assert.ok(struck, 'the operation was recorded before it began');
  if (struck.state !== 'succeeded') {
    assert.equal(struck.state, 'failed', 'it was undone');
    await succeeded(client, scenario.begin(client, data));
    await allEnded(client);
    await sound();
  }
  await expected?.();
}
