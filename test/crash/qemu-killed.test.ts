/**
 * `kill -9` of QEMU, alone and together with the daemon: at every step of what starts, changes and ends a VM, in the
 * states in which nothing is under way, and at moments that only the seed knows. Nothing is left over, what happened is
 * in the events, and the VM starts again.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { eventually, succeeded, vmInState } from '../support/operations.ts';
import { processesOf } from '../support/processes.ts';
import type { TestHost } from '../support/test-host.ts';
import { CrashHost } from './crash-host.ts';
import { assertKept, assertSoundLayers, guestData } from './guest-data.ts';
import { allEnded, nothingLeftOver } from './invariants.ts';
import { moment } from './moment.ts';
import { type QemuScenario, qemuScenarios } from './qemu-scenarios.ts';
import { all, nameOf, phasesOf, registry, seed } from './steps.ts';

const limitMs = 120_000;
const victims = ['kill-qemu', 'kill-both'] as const;
type Victims = (typeof victims)[number];

describe(`QEMU killed (seed ${seed})`, () => {
  const crash = new CrashHost();
  after(() => crash[Symbol.asyncDispose]());

  let index = 0;
  for (const [name, scenario] of Object.entries(qemuScenarios)) {
    for (const { step } of registry()
      .steps()
      .filter(({ kind }) => kind === scenario.kind)) {
      index += 1;
      const chosen = all ? victims : [victims[(index + seed) % victims.length]!];
      for (const phase of phasesOf(all, index + seed)) {
        const point = nameOf({ kind: scenario.kind, step, phase });
        for (const victim of chosen) {
          it(`${name}: ${victim} at ${point}`, { timeout: limitMs }, () =>
            crash.use((host) => strikeAt(host, scenario, point, victim)),
          );
        }
      }
    }
  }

  for (const state of ['running', 'paused'] as const) {
    for (const victim of victims) {
      it(`${state}: ${victim}`, { timeout: limitMs }, () =>
        crash.use((host) => strikeIn(host, state, victim)),
      );
    }
  }

  const moments = all ? 10 : 1;
  for (const [place, [name, scenario]] of Object.entries(qemuScenarios).entries()) {
    if (!all && (place + seed) % 3 !== 0) continue;
    for (let turn = 0; turn < moments; turn += 1) {
      const afterMs = (seed * 37 + place * 53 + turn * 101) % 400;
      it(`${name}: QEMU killed ${afterMs} ms after it began`, { timeout: limitMs }, () =>
        crash.use((host) => strikeAfter(host, scenario, afterMs)),
      );
    }
  }
});

async function strikeAt(
  host: TestHost,
  scenario: QemuScenario,
  point: string,
  victim: Victims,
): Promise<void> {
  const { client, data } = host;
  await scenario.prepare(client, data);
  const content = await guestData(client, data);
  await host.arm(`${point}=${victim}`);
  // It may be refused, or the daemon die before it answers: what became of it is looked at below.
  const begun = scenario.begin(client, data).catch(() => null);
  if (victim === 'kill-both') {
    await host.daemonEnded();
    await host.startDaemon();
  }
  await begun;
  await allEnded(client);
  assert.equal(await host.isArmed(), false, 'the point was reached');
  if (victim === 'kill-qemu') await host.hasStruck();
  await runsAgain(host);
  await assertKept(client, data, content, scenario.goesBack ?? false);
  await assertSoundLayers(client, data, true);
}

async function strikeIn(host: TestHost, state: 'running' | 'paused', victim: Victims): Promise<void> {
  const { client, data } = host;
  await qemuScenarios[state === 'running' ? 'pause' : 'resume']!.prepare(client, data);
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

async function strikeAfter(host: TestHost, scenario: QemuScenario, afterMs: number): Promise<void> {
  const { client, data } = host;
  await scenario.prepare(client, data);
  const content = await guestData(client, data);
  const struck = moment(afterMs);
  // It may be refused, or the daemon die before it answers: what became of it is looked at below.
  const begun = scenario.begin(client, data).catch(() => null);
  await struck;
  await killQemu(host);
  await begun;
  await allEnded(client);
  await runsAgain(host);
  await assertKept(client, data, content, scenario.goesBack ?? false);
  await assertSoundLayers(client, data, true);
}

async function killQemu({ data, daemonPid }: TestHost): Promise<void> {
  const pids = processesOf(data).filter((pid) => pid !== daemonPid);
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (cause) {
      // It ended by itself meanwhile.
      if ((cause as NodeJS.ErrnoException).code !== 'ESRCH') throw cause;
    }
  }
  await eventually(
    'the killed processes are gone',
    async () => processesOf(data).filter((pid) => pids.includes(pid)),
    (left) => left.length === 0,
  );
}

/** The VM has settled, nothing lies about, and it can be used as before. */
async function runsAgain(host: TestHost): Promise<void> {
  const { client, data } = host;
  await settled(host);
  await nothingLeftOver(client, data, host.daemonPid);
  const { state } = await client.vm.show('a');
  if (state === 'off' || state === 'saved') await succeeded(client, client.vm.start('a'));
  if (state === 'paused') await succeeded(client, client.vm.resume('a'));
  await vmInState(client, 'a', 'running');
  await nothingLeftOver(client, data, host.daemonPid);
}

/** No operation has been left stuck, and the supervisor has seen what happened. */
async function settled({ client, data }: TestHost): Promise<void> {
  const { items } = await client.operation.list({});
  assert.deepEqual(
    items.filter(({ state }) => state === 'stuck'),
    [],
  );
  const rests = new Set(['off', 'saved', 'running', 'paused']);
  await eventually(
    'the VM has settled, and a death was noticed',
    () => client.vm.show('a'),
    ({ state, pid }) => rests.has(state) && (pid === null || processesOf(data).includes(pid)),
  );
}
