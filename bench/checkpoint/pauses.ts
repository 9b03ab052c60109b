/** How long a guest stands still: for a checkpoint of Corral's, for the same commands sent by a bare script, and for stop-and-save. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Client } from '@corral/api/client.gen';
import { VmSettings } from '@corral/api/schemas/vm-settings';
import { parseSize } from '@corral/core/units';
import { bootedGuest, inGuest } from '../../test/support/guests.ts';
import { succeeded } from '../../test/support/operations.ts';
import { TestHost } from '../../test/support/test-host.ts';
import { type Times, timesOf } from '../disk/measure.ts';
import { BareQmp } from './bare-qmp.ts';
import { ClockWatch, type Noticed, watchClocks } from './clock-watch.ts';

export interface PauseOptions {
  readonly memory: string;
  readonly runs: number;
}

/** Of one way to stop a guest, all in ms: what the guest noticed, and from the command to the event that ends it. */
interface Pauses {
  readonly inside: Times;
  readonly gap: Times;
  readonly outside: Times;
}

/** In the background of the guest; the shell of `exec` ends at once. */
const background = (command: string): string => `(${command}) </dev/null >/dev/null 2>&1 &`;
const dirtying = background('while true; do dd if=/dev/zero of=/tmp/dirty bs=1M count=64; done');

export async function comparePauses(guest: 'idle' | 'dirtying', options: PauseOptions): Promise<void> {
  await using host = await TestHost.start();
  const { client, data } = host;
  const memoryBytes = parseSize(options.memory);
  await bootedGuest(client, { name: 'a', memoryBytes, disks: [{ name: 'data', sizeBytes: 2 ** 28 }] });
  await inGuest(client, 'a', background(watchClocks));
  if (guest === 'dirtying') await inGuest(client, 'a', dirtying);
  const { nothing, first, corral } = await ofCorral(client, options.runs);

  const { id } = await client.vm.show('a');
  await host.endDaemon('SIGKILL');
  const { disks } = VmSettings.parse(JSON.parse(readFileSync(join(data, 'vms', id, 'vm.json'), 'utf8')));
  await using bare = await BareQmp.connect(data, id, disks[0]!);
  using watch = await ClockWatch.start(connect(join(data, 'run', id, 'serial.sock')));
  const script = await measured(watch, options.runs, () => bare.checkpoint());
  const saved = await measured(watch, options.runs, () => bare.stopAndSave());

  const what = guest === 'idle' ? 'An idle guest' : 'A guest that dirties memory';
  tell(`${what}, ${options.memory}: median of ${options.runs} (best), ms`, {
    'nothing done for a second': nothing,
    'Corral, first checkpoint': first,
    'Corral, checkpoint': corral,
    'bare script, checkpoint': script,
    'bare script, stop-and-save': saved,
  });
  console.log(`  Corral to bare                 ${ratios(corral, script)}; aim: at most 1.2`);
  console.log(`  stop-and-save to Corral        ${ratios(saved, corral)}; aim: at least 50`);
}

/** The first checkpoint of a machine stands apart: it meets the host's huge pages, and leaves small ones. */
async function ofCorral(client: Client, runs: number) {
  const { ticket } = await client.vm.ticket.create('a', { kind: 'console' });
  using watch = await ClockWatch.start(await client.vm.console('a', { ticket }));
  const nothing = await measured(watch, runs, async () => {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return 0;
  });
  const take = async (run: number): Promise<number> => {
    const name = `run-${run}`;
    await succeeded(client, client.checkpoint.create('a', { name }));
    return (await client.checkpoint.show('a', name)).pauseMs ?? 0;
  };
  const first = await measured(watch, 1, () => take(0));
  const corral = await measured(watch, runs, take);
  return { nothing, first, corral };
}

/** @param work returns how long the guest stood still as seen from outside, in ms */
async function measured(
  watch: ClockWatch,
  runs: number,
  work: (run: number) => Promise<number>,
): Promise<Pauses> {
  const noticed: Noticed[] = [];
  const outside: number[] = [];
  for (let run = 1; run <= runs; run += 1) {
    noticed.push(await watch.during(async () => outside.push(await work(run))));
  }
  return {
    inside: timesOf(noticed.map(({ stoodStillMs }) => stoodStillMs)),
    gap: timesOf(noticed.map(({ gapMs }) => gapMs)),
    outside: timesOf(outside),
  };
}

function tell(title: string, rows: Readonly<Record<string, Pauses>>): void {
  const cell = ({ median, best }: Times): string => `${median.toFixed(1)} (${best.toFixed(1)})`.padStart(20);
  const head = ['stopped, inside', 'stopped, outside', 'longest gap beside'];
  console.log(`${title}\n${' '.repeat(30)}${head.map((name) => name.padStart(20)).join('')}`);
  for (const [name, { inside, outside, gap }] of Object.entries(rows)) {
    console.log(`  ${name.padEnd(28)}${cell(inside)}${cell(outside)}${cell(gap)}`);
  }
}

function ratios(of: Pauses, to: Pauses): string {
  const ratio = (view: 'inside' | 'outside'): string =>
    `${view} ${(of[view].median / to[view].median).toFixed(2)} (best to best ${(of[view].best / to[view].best).toFixed(2)})`;
  return `${ratio('inside')}, ${ratio('outside')}`;
}
