/**
 * `kill -9` of QEMU, alone and together with the daemon: at every step of what starts, changes, reads and ends a VM, and
 * at moments that only the seed knows. Nothing is left over, what happened is in the events, and the VM starts again.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { eventually, succeeded, vmInState } from '../support/operations.ts';
import { processesOf } from '../support/processes.ts';
import type { TestHost } from '../support/test-host.ts';
import { CrashHost } from './crash-host.ts';
import { assertKept, assertSoundLayers, guestData } from './guest-data.ts';
import { allEnded, noneStuck, nothingLeftOver } from './invariants.ts';
import { moment } from './moment.ts';
import type { QemuScenario } from './qemu-scenarios.ts';
import { all, nameOf, phasesOf, registry, seed } from './steps.ts';

const limitMs = 120_000;
export const victims = ['kill-qemu', 'kill-both'] as const;
export type Victims = (typeof victims)[number];

/**
 * The tests of some scenarios, by name in words. `npm test` takes one phase and one victim of every other step: the daemon is
 * killed at all of them.
 */
export function killQemuAtEveryStep(what: string, scenarios: Readonly<Record<string, QemuScenario>>): void {
  describe(`QEMU killed: ${what} (seed ${seed})`, () => {
    const crash = new CrashHost();
    after(() => crash[Symbol.asyncDispose]());
    const struck = (name: string, work: (host: TestHost) => Promise<void>): void =>
      void it(name, { timeout: limitMs }, () => crash.use(work));

    let index = 0;
    for (const [name, scenario] of Object.entries(scenarios)) {
      for (const step of stepsOf(scenario.kind)) {
        index += 1;
        if (!all && (index + seed) % 2 !== 0) continue;
        const chosen = all ? victims : [victims[((index + seed) / 2) % victims.length]!];
        for (const phase of phasesOf(all, index + seed)) {
          const point = nameOf({ kind: scenario.kind, step, phase });
          for (const victim of chosen) {
            struck(`${name}: ${victim} at ${point}`, (host) => strikeAt(host, scenario, point, victim));
          }
        }
      }
    }

    const moments = all ? 10 : 1;
    for (const [place, [name, scenario]] of Object.entries(scenarios).entries()) {
      if (!all && (place + seed) % 3 !== 0) continue;
      for (let turn = 0; turn < moments; turn += 1) {
        const afterMs = (seed * 37 + place * 53 + turn * 101) % 400;
        struck(`${name}: QEMU killed ${afterMs} ms after it began`, (host) =>
          strikeAfter(host, scenario, afterMs),
        );
      }
    }
  });
}

const stepsOf = (kind: string): string[] =>
  registry()
    .steps()
    .filter((each) => each.kind === kind)
    .map(({ step }) => step);

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
  const begun = scenario.begin(client, data).catch((cause: unknown) => cause);
  if (victim === 'kill-both') {
    await host.daemonEnded();
    await host.startDaemon();
  }
  const answer = await begun;
  await allEnded(client);
  assert.equal(await host.isArmed(), false, `the point was reached; the answer was ${inspect(answer)}`);
  if (victim === 'kill-qemu') await host.hasStruck();
  await runsAgain(host);
  await assertKept(client, data, content, scenario.goesBack ?? false);
  await assertSoundLayers(client, data, true);
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

export async function killQemu({ data, daemonPid }: TestHost): Promise<void> {
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
export async function runsAgain(host: TestHost): Promise<void> {
  const { client, data } = host;
  await settled(host);
  await nothingLeftOver(client, data, host.daemonPid);
  const { state } = await client.vm.show('a');
  if (state === 'off' || state === 'saved') await succeeded(client, client.vm.start('a'));
  if (state === 'paused') await succeeded(client, client.vm.resume('a'));
  await vmInState(client, 'a', 'running');
  await nothingLeftOver(client, data, host.daemonPid);
}

/** No operation has been left stuck, and the supervisor has seen what happened to each VM. */
async function settled({ client, data }: TestHost): Promise<void> {
  await noneStuck(client);
  const rests = new Set(['off', 'saved', 'running', 'paused']);
  await eventually(
    'the VMs have settled, and deaths were noticed',
    async () => (await client.vm.list({})).items,
    (vms) =>
      vms.every(({ state, pid }) => rests.has(state) && (pid === null || processesOf(data).includes(pid))),
  );
}
