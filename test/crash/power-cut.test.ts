/**
 * The power is cut at steps of what writes, and at moments that only the seed knows: the data directory and the
 * repository lie on a disk that forgets a random part of what was not flushed. VM, tracking and repository are whole
 * afterwards, and what had been acknowledged is there.
 */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ApiProblem } from '@corral/api/api-problem';
import type { Client } from '@corral/api/client.gen';
import { Backup } from '@corral/api/schemas/backup';
import type { Operation } from '@corral/api/schemas/operation';
import { RepositoryCheckReport } from '@corral/api/schemas/repository';
import { succeeded } from '../support/operations.ts';
import { noPowerVolume, PowerVolume } from '../support/power/power-volume.ts';
import { killProcessesOf } from '../support/processes.ts';
import { contentOf, presentDisk } from '../support/record-writer.ts';
import { TestHost } from '../support/test-host.ts';
import { running } from './checkpoint-scenarios.ts';
import { CrashHost } from './crash-host.ts';
import { assertKept, assertSoundLayers, guestData } from './guest-data.ts';
import { allEnded, noneStuck, nothingLeftOver } from './invariants.ts';
import { moment } from './moment.ts';
import { scenarios } from './scenarios.ts';
import { all, type CrashPoint, crashPoints, nameOf, seed } from './steps.ts';

const limitMs = 120_000;

/** What the slice strikes, each at one point: all that a lost write could make wrong without a word. */
const sampled = [
  'vm.create',
  'vm.save',
  'checkpoint.create',
  'checkpoint.apply',
  'vm.merge',
  'vm.fork',
  'backup.run',
  'repository.prune',
  'repository.key-change',
];

describe(`the power cut (seed ${seed})`, { skip: noPowerVolume }, () => {
  let volume: PowerVolume | null = null;
  const crash = new CrashHost(async () => {
    await volume?.[Symbol.asyncDispose]();
    volume = await PowerVolume.create();
    return TestHost.start({ folder: volume.path });
  });
  after(async () => {
    await crash[Symbol.asyncDispose]();
    await volume?.[Symbol.asyncDispose]();
  });

  for (const [turn, point] of struckPoints().entries()) {
    it(`at ${nameOf(point)}`, { timeout: limitMs }, () =>
      crash.use((host) => cutAt({ host, volume: volume!, seed: seed + turn }, point)),
    );
  }

  it(
    'while a guest writes, is backed up and gets checkpoints, again and again',
    { timeout: 10 * limitMs },
    () =>
      // The host ends the try before the test is ended, after which nobody would take it away.
      crash.use((host) => cutAgainAndAgain({ host, volume: volume!, seed }, all ? 40 : 4), 9 * limitMs),
  );
});

/** With `all` every step too, but each at one point: unlike a kill, a cut is another with each seed. */
function struckPoints(): readonly CrashPoint[] {
  const points = crashPoints(false, seed);
  if (all) return points;
  return sampled.map((kind, index) => {
    const own = points.filter((point) => point.kind === kind);
    return own[(seed + index) % own.length]!;
  });
}

interface Powered {
  readonly host: TestHost;
  readonly volume: PowerVolume;
  readonly seed: number;
}

/** Everything that ran is gone at once; then the host is switched on again. */
async function cutPower({ host, volume, seed }: Powered): Promise<void> {
  await volume.cut(seed);
  try {
    await host.endDaemon('SIGKILL');
    await killProcessesOf(host.data);
  } finally {
    await volume.restorePower();
  }
  await host.disarm();
  await host.startDaemon();
  await allEnded(host.client);
  await noneStuck(host.client);
}

async function cutAt(powered: Powered, point: CrashPoint): Promise<void> {
  const { client, data } = powered.host;
  const scenario = scenarios[point.kind]!;
  await scenario.prepare(client, data);
  const content = await guestData(client, data);
  const expected = await scenario.expect?.(client, data);
  const before = new Set((await client.operation.list({})).items.map(({ id }) => id));
  await powered.host.arm(`${nameOf(point)}=stop-daemon`);
  // What it began is in the records, or was never begun.
  const begun = scenario.begin(client, data).catch(() => null);
  await powered.host.daemonStandsStill();
  await cutPower(powered);
  await begun;
  const whole = async (): Promise<void> => {
    await nothingLeftOver(client, data, powered.host.daemonPid, 'some');
    await assertKept(client, data, content, scenario.goesBack ?? false);
    await assertSoundLayers(client, data, true);
  };
  await whole();
  const { items } = await client.operation.list({});
  const struck = items.find(({ kind, id }) => kind === point.kind && !before.has(id));
  if (struck?.state === 'succeeded') return expected?.();
  // A machine that ran went with the power: what is done to one that runs is not possible now.
  const again = await scenario.begin(client, data).catch((cause: unknown) => cause);
  if (again instanceof ApiProblem && again.code === 'vm.illegal-state' && again.params['state'] === 'off')
    return;
  if (again instanceof Error) throw again;
  await succeeded(client, Promise.resolve(again as Operation));
  await allEnded(client);
  await whole();
  await expected?.();
}

const consistency = 'crash';
const repository = 'vault';

async function cutAgainAndAgain(powered: Powered, rounds: number): Promise<void> {
  const { client, data } = powered.host;
  await running(client, data);
  const path = join(data, 'place-vault');
  await rm(path, { recursive: true, force: true });
  const secret = { keyFile: Buffer.alloc(32, 'k').toString('base64') };
  await succeeded(
    client,
    client.repository.create({ name: repository, place: { kind: 'directory', path }, secret }),
  );
  await succeeded(client, client.backup.run('a', { repository, consistency }));
  for (let round = 0; round < rounds; round += 1) {
    const own = { ...powered, seed: powered.seed * 1_000 + round };
    const content = await guestData(client, data);
    const struck = moment((own.seed * 397) % 1_500);
    // Each may be cut off anywhere, or be refused because the other is under way.
    const begun = Promise.allSettled([
      client.backup.run('a', { repository, consistency }),
      client.checkpoint.create('a', { name: `round-${round}` }),
    ]);
    await struck;
    await cutPower(own);
    await begun;
    await nothingLeftOver(client, data, powered.host.daemonPid, 'some');
    await assertKept(client, data, content, false);
    await assertSoundLayers(client, data, true);
    await assertRepositorySound(client);
    await assertNextBackupTrue(client, data);
    await succeeded(client, client.vm.start('a'));
  }
}

async function assertRepositorySound(client: Client): Promise<void> {
  const { output } = await succeeded(client, client.repository.check(repository, { readData: true }));
  const { problems, harmed, unreadable } = RepositoryCheckReport.parse(output);
  assert.deepEqual({ problems, harmed, unreadable }, { problems: [], harmed: [], unreadable: [] });
}

/** Whatever tracking was left with, the next one holds what the disk does. */
async function assertNextBackupTrue(client: Client, data: string): Promise<void> {
  const { id } = await client.vm.show('a');
  const { output } = await succeeded(client, client.backup.run('a', { repository, consistency }));
  const { backupId } = output as { readonly backupId: string };
  const backup = Backup.parse(await client.backup.show(backupId, {}));
  const folder = join(data, 'vms', id);
  const directory = join(data, 'restored');
  // Here, not at the end: a cut would bring it back.
  await rm(directory, { recursive: true, force: true });
  await succeeded(client, client.restore.files(backupId, { directory }));
  assert.deepEqual(
    (await contentOf(directory, presentDisk(directory)!)).hash,
    (await contentOf(folder, presentDisk(folder)!)).hash,
    `backup ${backup.name} holds what the disk does`,
  );
}
