/**
 * `npm run bench -- start [ROUNDS] [--only starts|again|daemon] [--vms 1,10]`: time to the guest's prompt through Corral beside the same
 * QEMU command lines started by a shell script, in turns; a second `npm start`; the daemon's memory with 20 VMs; reads of
 * the API. One table.
 */
import { parseArgs } from 'node:util';
import { microImage } from '../../test/support/guests.ts';
import { succeeded } from '../../test/support/operations.ts';
import { TestHost } from '../../test/support/test-host.ts';
import { corralStart } from './corral-start.ts';
import { readApi, residentMiB, runMachines } from './daemon-load.ts';
import { plainStart } from './plain-start.ts';
import { secondStarts } from './second-start.ts';

const MiB = 2 ** 20;
const limitMs = 180_000;
const machines = 20;

interface Row {
  readonly figure: string;
  readonly value: string;
  readonly peer: string;
  readonly ratio: string;
  readonly aim: string;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.ceil((sorted.length - 1) / 2)]!) / 2;
}

/** Corral and the script take turns, so that what else happens on the machine strikes both. */
async function starts(host: TestHost, count: number, rounds: number): Promise<Row> {
  const { client, data, daemonPid } = host;
  const names = Array.from({ length: count }, (_, index) => `guest${index}`);
  for (const name of names) {
    await succeeded(client, client.vm.create({ name, image: 'micro', memoryBytes: 256 * MiB }));
  }
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const { ms, commandLines } = await corralStart(client, names, limitMs);
    ours.push(ms);
    theirs.push(await plainStart(data, commandLines, daemonPid, limitMs));
    process.stderr.write(
      `${count} VMs, round ${round + 1}: ${ours.at(-1)!.toFixed(0)} ms, script ${theirs.at(-1)!.toFixed(0)} ms\n`,
    );
  }
  for (const name of names) await succeeded(client, client.vm.delete(name, { ifMatch: '*' }));
  return {
    figure: `${count} VM${count === 1 ? '' : 's'} to the prompt, median of ${rounds}`,
    value: `${(median(ours) / 1000).toFixed(2)} s`,
    peer: `${(median(theirs) / 1000).toFixed(2)} s (script)`,
    ratio: (median(ours) / median(theirs)).toFixed(3),
    aim: '1.05 or less',
  };
}

/** A figure that has no peer. */
const row = (figure: string, value: string, aim = ''): Row => ({ figure, value, peer: '', ratio: '', aim });

async function startedAgain(rounds: number): Promise<Row> {
  const seconds = median(await secondStarts(rounds)) / 1000;
  return row(
    `"npm start" again until it is ready, median of ${rounds}`,
    `${seconds.toFixed(2)} s`,
    'less than 5 s',
  );
}

async function daemon(host: TestHost): Promise<Row[]> {
  const { client, daemonPid } = host;
  const names = Array.from({ length: machines }, (_, index) => `machine${index}`);
  await runMachines(client, names);
  const memory = residentMiB(daemonPid);
  const load = { atOnce: 8, forMs: 5_000 };
  const one = await readApi(() => client.vm.show('machine0'), load);
  const all = await readApi(() => client.vm.list({}), load);
  const speed = ({ perSecond, p50Ms, p99Ms }: typeof one): string =>
    `${perSecond.toFixed(0)}/s, p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`;
  return [
    row(`daemon with ${machines} VMs, resident`, `${memory.toFixed(0)} MiB`, '143 MiB (150 MB) or less'),
    row('the same after the reads below', `${residentMiB(daemonPid).toFixed(0)} MiB`),
    row(`GET one VM, ${load.atOnce} at once`, speed(one)),
    row(`GET all ${machines} VMs, ${load.atOnce} at once`, speed(all)),
  ];
}

function show(rows: readonly Row[]): void {
  const columns = ['figure', 'value', 'peer', 'ratio', 'aim'] as const;
  const table = [Object.fromEntries(columns.map((name) => [name, name])) as unknown as Row, ...rows];
  const widths = columns.map((name) => Math.max(...table.map((row) => row[name].length)));
  for (const row of table) {
    process.stdout.write(
      `${columns
        .map((name, index) => row[name].padEnd(widths[index]!))
        .join('  ')
        .trimEnd()}\n`,
    );
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string' }, vms: { type: 'string', default: '1,10' } },
});
const rounds = Number(positionals[0] ?? 5);
const rows: Row[] = [];
const wanted = (part: string): boolean => values.only === undefined || values.only === part;
if (wanted('starts')) {
  await using host = await TestHost.start();
  await microImage(host.client);
  for (const count of values.vms.split(',').map(Number)) rows.push(await starts(host, count, rounds));
}
if (wanted('again')) rows.push(await startedAgain(rounds));
if (wanted('daemon')) {
  await using host = await TestHost.start();
  rows.push(...(await daemon(host)));
}
show(rows);
