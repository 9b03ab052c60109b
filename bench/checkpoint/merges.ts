/** Merging: its speed with the VM off, and what it does to the writes of a guest that runs. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Client } from '@corral/api/client.gen';
import { VmSettings } from '@corral/api/schemas/vm-settings';
import { openLayer } from '@corral/disk/drivers';
import { bootedGuest, inGuest } from '../../test/support/guests.ts';
import { eventually, succeeded } from '../../test/support/operations.ts';
import { TestHost } from '../../test/support/test-host.ts';
import { seconds, timesOf } from '../disk/measure.ts';
import { Heartbeat } from './heartbeat.ts';

const execute = promisify(execFile);
const MiB = 2 ** 20;

/** The layers of a disk are filled, the checkpoint between them is deleted. */
export async function compareMerge(bytes: number, runs: number): Promise<void> {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let count = 0; count < runs; count += 1) {
    await using host = await TestHost.start();
    const { client, data } = host;
    await succeeded(client, client.vm.create({ name: 'a', disks: [{ name: 'data', sizeBytes: 4 * bytes }] }));
    const folder = join(data, 'vms', (await client.vm.show('a')).id);
    await fill(folder, bytes, 1);
    await succeeded(client, client.checkpoint.create('a', { name: 'one' }));
    await fill(folder, bytes, 2);
    theirs.push(await qemuImgCommit(folder));
    await succeeded(client, client.checkpoint.delete('a', 'one'));
    ours.push(await mergeSeconds(client));
  }
  const speed = (found: readonly number[]): string => (bytes / 1e6 / timesOf(found).median).toFixed(0);
  const ratio = timesOf(theirs).median / timesOf(ours).median;
  console.log(`Merge of ${bytes / MiB} MiB into a layer with the same`);
  console.log(
    `  Corral ${speed(ours)} MB/s, qemu-img commit ${speed(theirs)} MB/s, ratio ${ratio.toFixed(2)}`,
  );
}

async function fill(folder: string, bytes: number, value: number): Promise<void> {
  const [disk] = VmSettings.parse(JSON.parse(readFileSync(join(folder, 'vm.json'), 'utf8'))).disks;
  const layer = await openLayer(join(folder, disk!.path), { format: disk!.format, readOnly: false });
  const piece = Buffer.alloc(MiB, value);
  for (let offset = 0; offset < bytes; offset += MiB) await layer.write(piece, offset);
  await layer.flush();
  await layer.close();
}

async function qemuImgCommit(folder: string): Promise<number> {
  const [disk] = VmSettings.parse(JSON.parse(readFileSync(join(folder, 'vm.json'), 'utf8'))).disks;
  const base = join(folder, 'bench-base.qcow2');
  const top = join(folder, 'bench-top.qcow2');
  await copyFile(join(folder, disk!.parents[0]!.path), base);
  await copyFile(join(folder, disk!.path), top);
  await execute('qemu-img', ['rebase', '-u', '-f', 'qcow2', '-F', 'qcow2', '-b', base, top]);
  const took = await seconds(async () => {
    await execute('qemu-img', ['commit', '-q', '-d', '-f', 'qcow2', top]);
    await execute('sync', [base]);
  });
  await Promise.all([base, top].map((path) => rm(path)));
  return took;
}

async function mergeSeconds(client: Client): Promise<number> {
  const [merge] = await eventually(
    'the merge has ended',
    async () => (await client.operation.list({})).items.filter(({ kind }) => kind === 'vm.merge'),
    (merges) => merges.length > 0 && merges.every(({ finishedAt }) => finishedAt !== null),
  );
  return (Date.parse(merge!.finishedAt!) - Date.parse(merge!.startedAt!)) / 1000;
}

/** Each write is direct and synced; then a beat. */
const writes =
  '(while true; do dd if=/dev/zero of=/mnt/data/w bs=4k count=1 conv=notrunc,fsync; echo x > /dev/ttyS0; done) </dev/null >/dev/null 2>&1 &';

export async function stallsOfLiveMerge(): Promise<void> {
  await using host = await TestHost.start();
  const { client } = host;
  await bootedGuest(client, { name: 'a', disks: [{ name: 'data', sizeBytes: 2 ** 30, filesystem: 'ext4' }] });
  await inGuest(client, 'a', 'dd if=/dev/urandom of=/mnt/data/big bs=1M count=128 && sync');
  await succeeded(client, client.checkpoint.create('a', { name: 'one' }));
  await inGuest(client, 'a', 'dd if=/dev/urandom of=/mnt/data/big bs=1M count=128 conv=notrunc && sync');
  await inGuest(client, 'a', writes);
  const { ticket } = await client.vm.ticket.create('a', { kind: 'console' });
  using heart = new Heartbeat(await client.vm.console('a', { ticket }));
  const before = await heart.longestDuring(() => new Promise((resolve) => setTimeout(resolve, 5000)));
  const during = await heart.longestDuring(async () => {
    await succeeded(client, client.checkpoint.delete('a', 'one'));
    await mergeSeconds(client);
  });
  console.log('Longest stall of synced 4 KiB writes of a guest');
  console.log(
    `  before ${before.toFixed(0)} ms, while 128 MiB are merged ${during.toFixed(0)} ms (aim: 200 ms or less)`,
  );
}
