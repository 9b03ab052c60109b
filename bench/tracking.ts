/**
 * What change tracking costs random 4 KiB writes: the disk as QEMU opens it for a guest, without a layer on it and with the
 * one that tracks, in turns; the first pass over the blocks and a later one. The same nodes and options as in a VM, in
 * QEMU's storage daemon: a guest that is emulated would measure its emulation.
 * `node bench/tracking.ts [--runs 7] [--writes 8192] [--size 1GiB] [--place DIR]`
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseSize } from '@corral/core/units';
import { driverOf } from '@corral/disk/drivers';
import { NbdClient } from '@corral/nbd/nbd-client';
import { randomOf } from '../test/support/random.ts';
import { timesOf } from './disk/measure.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '7' },
    writes: { type: 'string', default: '8192' },
    size: { type: 'string', default: '1GiB' },
    place: { type: 'string', default: tmpdir() },
  },
});
const runs = Number(values.runs);
const writes = Number(values.writes);
const sizeBytes = parseSize(values.size);
const blockBytes = 4096;
const depth = 16;
const MiB = 2 ** 20;

const folder = await mkdtemp(join(values.place, 'corral-tracking-'));

/** Writes per second. */
interface Passes {
  readonly first: number;
  readonly later: number;
}

try {
  const base = join(folder, 'base.qcow2');
  await fillBase(base);
  const without: Passes[] = [];
  const tracked: Passes[] = [];
  for (let run = 0; run < runs; run += 1) {
    // Who begins takes turns, too.
    const sides = [() => measure(base, false, run), () => measure(base, true, run)] as const;
    if (run % 2 === 0) without.push(await sides[0]());
    tracked.push(await sides[1]());
    if (run % 2 === 1) without.push(await sides[0]());
  }
  show('first pass', without, tracked, 'first');
  show('later pass', without, tracked, 'later');
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Every block of it is allocated: a disk that its guest has used. */
async function fillBase(path: string): Promise<void> {
  await using disk = await driverOf('qcow2').create(path, { sizeBytes, extendedL2: true, scratch: true });
  const piece = Buffer.alloc(MiB, 'used before');
  for (let offset = 0; offset < sizeBytes; offset += MiB) await disk.write(piece, offset);
}

async function measure(base: string, tracked: boolean, run: number): Promise<Passes> {
  const own = join(folder, 'disk.qcow2');
  const overlay = join(folder, 'overlay.qcow2');
  await copyFile(base, own);
  if (tracked) {
    const parent = { format: 'qcow2' as const, paths: [{ kind: 'relative' as const, path: 'disk.qcow2' }] };
    const made = await driverOf('qcow2').create(overlay, { sizeBytes, extendedL2: true, parent });
    await made.close();
  }
  try {
    await using served = await serve(tracked ? [overlay, own] : [own]);
    const client = await NbdClient.connect({ path: served.socket, exportName: 'disk' });
    await using _ = { [Symbol.asyncDispose]: () => client.close() };
    const random = randomOf(run + 1);
    const places = Array.from({ length: writes }, () => random(sizeBytes / blockBytes) * blockBytes);
    return { first: await pass(client, places), later: await pass(client, places) };
  } finally {
    for (const path of [own, overlay]) await rm(path, { force: true });
  }
}

async function pass(client: NbdClient, places: readonly number[]): Promise<number> {
  const data = Buffer.alloc(blockBytes, 0x5a);
  const since = performance.now();
  let next = 0;
  const writer = async (): Promise<void> => {
    for (let at = next++; at < places.length; at = next++) await client.write(places[at]!, data);
  };
  await Promise.all(Array.from({ length: depth }, writer));
  await client.flush();
  return places.length / ((performance.now() - since) / 1000);
}

/** Top first, with the options of a VM's disks (packages/host/src/vm/qemu-devices.ts). */
async function serve(files: readonly string[]): Promise<{ readonly socket: string } & AsyncDisposable> {
  const socket = join(folder, 'nbd.sock');
  const pidFile = join(folder, 'pid');
  await rm(pidFile, { force: true });
  const nodes = files.map((filename, index) => ({
    driver: 'qcow2',
    'node-name': `layer${index}`,
    ...(index === 0 ? { discard: 'unmap', 'detect-zeroes': 'unmap' } : { 'read-only': true }),
    file: { driver: 'file', filename, cache: { direct: true }, aio: 'threads', discard: 'unmap' },
    backing: index + 1 < files.length ? `layer${index + 1}` : null,
  }));
  const disk = { type: 'nbd', id: 'disk', name: 'disk', 'node-name': 'layer0', writable: true };
  const daemon = spawn(
    'qemu-storage-daemon',
    [
      ...nodes.toReversed().flatMap((node) => ['--blockdev', JSON.stringify(node)]),
      ...['--nbd-server', `addr.type=unix,addr.path=${socket}`],
      ...['--export', JSON.stringify(disk)],
      ...['--pidfile', pidFile],
    ],
    { stdio: 'inherit' },
  );
  await untilServed(daemon, socket);
  return {
    socket,
    [Symbol.asyncDispose]: async () => {
      daemon.kill('SIGTERM');
      await once(daemon, 'exit');
    },
  };
}

async function untilServed(daemon: ChildProcess, path: string): Promise<void> {
  for (;;) {
    try {
      const client = await NbdClient.connect({ path, exportName: 'disk' });
      return await client.close();
    } catch (cause) {
      if (daemon.exitCode !== null) throw cause;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function show(
  what: string,
  without: readonly Passes[],
  tracked: readonly Passes[],
  pass_: keyof Passes,
): void {
  const of = (passes: readonly Passes[]): number[] => passes.map((passes_) => passes_[pass_]);
  const [a, b] = [of(without), of(tracked)];
  const range = (found: readonly number[]): string =>
    `${Math.min(...found).toFixed(0)} to ${Math.max(...found).toFixed(0)}`;
  const cost = 1 - timesOf(b).median / timesOf(a).median;
  console.log(`${what}, writes per second, median of ${runs} (spread)`);
  console.log(`  without tracking ${timesOf(a).median.toFixed(0)} (${range(a)})`);
  console.log(`  with tracking    ${timesOf(b).median.toFixed(0)} (${range(b)})`);
  const inside = timesOf(b).median >= Math.min(...a);
  console.log(
    `  tracking costs ${(100 * cost).toFixed(1)} % (aim: 2 % or less, or within the spread: ${inside ? 'it is' : 'it is not'})`,
  );
}
