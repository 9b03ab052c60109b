/**
 * What checkpoints cost a guest: how long it stands still, beside the same commands sent by a bare script and beside
 * stop-and-save; how fast layers are merged, beside `qemu-img commit`; and how long its writes stall meanwhile.
 * `node bench/checkpoint/main.ts [--runs 3] [--memory 256MiB] [--merge 512MiB]`, as root.
 */

import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Client } from '@corral/api/client.gen';
import { VmSettings } from '@corral/api/schemas/vm-settings';
import { parseSize } from '@corral/core/units';
import { bootedGuest, inGuest } from '../../test/support/guests.ts';
import { succeeded } from '../../test/support/operations.ts';
import { TestHost } from '../../test/support/test-host.ts';
import { timesOf } from '../disk/measure.ts';
import { BareQmp } from './bare-qmp.ts';
import { Heartbeat } from './heartbeat.ts';
import { compareMerge, stallsOfLiveMerge } from './merges.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    memory: { type: 'string', default: '256MiB' },
    merge: { type: 'string', default: '512MiB' },
  },
});
const runs = Number(values.runs);

/** In the background of the guest; the shell of `exec` ends at once. */
const background = (command: string): string => `(${command}) </dev/null >/dev/null 2>&1 &`;
/** About one in a millisecond: a guest that does nothing but write to an emulated port keeps QEMU from its other work. */
const beats = background('while true; do echo; sleep 0.001; done > /dev/ttyS0');
const dirtying = background('while true; do dd if=/dev/zero of=/tmp/dirty bs=1M count=64; done');

/** The daemon has the port, so it passes on what the guest says; what it delays counts as silence of the guest. */
async function heartOf(client: Client): Promise<Heartbeat> {
  const { ticket } = await client.vm.ticket.create('a', { kind: 'console' });
  return new Heartbeat(await client.vm.console('a', { ticket }));
}

async function times(run: () => Promise<number>): Promise<number[]> {
  const found: number[] = [];
  for (let count = 0; count < runs; count += 1) found.push(await run());
  return found;
}

function tell(what: string, values: readonly number[]): void {
  const { best, median } = timesOf(values);
  console.log(`  ${what.padEnd(44)} ${median.toFixed(1).padStart(8)} ms (best ${best.toFixed(1)})`);
}

async function pauses(load: string | null): Promise<void> {
  await using host = await TestHost.start();
  const { client, data } = host;
  const memoryBytes = parseSize(values.memory);
  await bootedGuest(client, { name: 'a', memoryBytes, disks: [{ name: 'data', sizeBytes: 2 ** 28 }] });
  await inGuest(client, 'a', beats);
  if (load) await inGuest(client, 'a', load);
  console.log(`Pause of ${load ? 'a guest that dirties memory' : 'an idle guest'}, ${values.memory}`);
  const taken = () => succeeded(client, client.checkpoint.create('a', {}));
  const corral: number[] = [];
  {
    using heart = await heartOf(client);
    const second = () => new Promise((resolve) => setTimeout(resolve, 1000));
    tell('nothing done for a second (noise)', await times(() => heart.longestDuring(second)));
    corral.push(...(await times(() => heart.longestDuring(taken))));
  }
  tell('Corral, seen from the guest', corral);
  const { items } = await client.checkpoint.list('a');
  const own = items.map(({ pauseMs }) => pauseMs ?? 0);
  tell('Corral, from stop to resume', own);

  const { id } = await client.vm.show('a');
  await host.endDaemon('SIGKILL');
  const { disks } = VmSettings.parse(JSON.parse(readFileSync(join(data, 'vms', id, 'vm.json'), 'utf8')));
  await using bare = await BareQmp.connect(data, id, disks[0]!);
  using heart = new Heartbeat(connect(join(data, 'run', id, 'serial.sock')));
  const [script, saved] = [
    await both(heart, () => bare.checkpoint()),
    await both(heart, () => bare.stopAndSave()),
  ];
  tell('the same commands, bare, seen from the guest', script.seen);
  tell('the same commands, bare, from stop to cont', script.own);
  tell('stop-and-save, bare, from stop to cont', saved.own);
  const of = (found: readonly number[]): number => timesOf(found).median;
  console.log(`  Corral to bare ${(of(own) / of(script.own)).toFixed(2)} (aim: at most 1.2)`);
  console.log(`  stop-and-save to Corral ${(of(saved.own) / of(own)).toFixed(0)} (aim: at least 50)`);
}

/** What the guest shows of it, and what its commands took. */
async function both(heart: Heartbeat, work: () => Promise<number>) {
  const own: number[] = [];
  const seen = await times(() => heart.longestDuring(async () => own.push(await work())));
  return { own, seen };
}

await pauses(null);
await pauses(dirtying);
await compareMerge(parseSize(values.merge), runs);
await stallsOfLiveMerge();
