/**
 * The daemon dies at points of an operation, one after the other; the next one finishes or undoes it, nothing is left
 * over. Several points are struck in one life of a VM: an operation that goes on after a kill is killed again at the next
 * of them, one that was undone is begun again.
 */
import assert from 'node:assert/strict';
import type { Client } from '@corral/api/client.gen';
import { succeeded } from '../support/operations.ts';
import type { TestHost } from '../support/test-host.ts';
import { assertKept, assertSoundLayers, guestData } from './guest-data.ts';
import { allEnded, nothingLeftOver } from './invariants.ts';
import type { Scenario } from './scenarios.ts';
import { type CrashPoint, nameOf } from './steps.ts';

/** @param points of one kind, in the order of its steps */
export async function killDaemonAt(
  host: TestHost,
  points: readonly CrashPoint[],
  scenario: Scenario,
): Promise<void> {
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
  const stateNow = () => newestState(client, points[0]!.kind, before);

  const begun: Promise<unknown>[] = [];
  // The daemon may die before it has answered; what it began is in its records. One that follows goes on following.
  const begin = (): void => void begun.push(scenario.begin(client, data).catch(() => null));
  for (const [turn, point] of points.entries()) {
    await host.arm(`${nameOf(point)}=kill-daemon`);
    // An operation that went on after the last kill is struck while the daemon starts, or soon after.
    if (turn > 0 && (await startsAndDies(host))) continue;
    if (turn > 0) {
      await sound();
      assert.equal(await stateNow(), 'failed', `it was undone, so that ${nameOf(point)} can be reached`);
    }
    begin();
    await host.daemonEnded();
  }
  await host.startDaemon();
  await Promise.all(begun);
  await allEnded(client);
  await sound();

  const state = await stateNow();
  assert.ok(state, 'the operation was recorded before it began');
  if (state !== 'succeeded') {
    assert.equal(state, 'failed', 'it was undone');
    await succeeded(client, scenario.begin(client, data));
    await allEnded(client);
    await sound();
  }
  await expected?.();
}

/** Of the kind's operations the one that was begun last. */
async function newestState(
  client: Client,
  kind: string,
  before: ReadonlySet<string>,
): Promise<string | undefined> {
  const { items } = await client.operation.list({});
  const own = items.filter((each) => each.kind === kind && !before.has(each.id));
  return own.toSorted((a, b) => a.createdAt.localeCompare(b.createdAt)).at(-1)?.state;
}

/** @returns whether what is armed strikes before everything has come to its end */
async function startsAndDies(host: TestHost): Promise<boolean> {
  try {
    await host.startDaemon();
    await allEnded(host.client);
    return false;
  } catch (cause) {
    // Nobody answers any more: because it struck, or something is wrong.
    if (await host.isArmed()) throw cause;
    await host.daemonEnded();
    return true;
  }
}
