/** QEMU killed while a VM starts, changes and ends, and in the states in which nothing is under way. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { eventually, vmInState } from '../../support/operations.ts';
import type { TestHost } from '../../support/test-host.ts';
import { CrashHost } from '../crash-host.ts';
import { killQemu, killQemuAtEveryStep, runsAgain, type Victims, victims } from '../kill-qemu.ts';
import { machineScenarios } from '../qemu-scenarios.ts';

const limitMs = 120_000;

killQemuAtEveryStep('machines', machineScenarios);

describe('QEMU killed while nothing is under way', () => {
  const crash = new CrashHost();
  after(() => crash[Symbol.asyncDispose]());
  for (const state of ['running', 'paused'] as const) {
    for (const victim of victims) {
      it(`${state}: ${victim}`, { timeout: limitMs }, () =>
        crash.use((host) => strikeIn(host, state, victim)),
      );
    }
  }
});

async function strikeIn(host: TestHost, state: 'running' | 'paused', victim: Victims): Promise<void> {
  const { client, data } = host;
  await machineScenarios[state === 'running' ? 'pause' : 'resume']!.prepare(client, data);
  const { id } = await vmInState(client, 'a', state);
  if (victim === 'kill-both') await host.endDaemon('SIGKILL');
  await killQemu(host);
  if (victim === 'kill-both') await host.startDaemon();
  await vmInState(client, 'a', 'off');
  const { items } = await eventually(
    'the event',
    () => client.event.list({ type: 'vm.qemu-died', subject: id }),
    (list) => list.items.length > 0,
  );
  assert.equal(items[0]!.data['whileDaemonWasAway'], victim === 'kill-both');
  await runsAgain(host);
}
