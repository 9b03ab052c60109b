/**
 * A database-like writer in a guest, and the proof that a disk holds what it acknowledged.
 *
 * Record i is a file `rec/I-SHA256` of random bytes on disk `data` (ext4), synced; then the line `I SHA256` in block
 * I mod slots of the raw disk `log`, synced; then i is acknowledged in the guest's memory. So at any instant:
 *
 *   log holds 1…m        data holds 1…m whole, and at most m+1        acknowledged ≤ m
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Client } from '@corral/api/client.gen';
import { inGuest } from './guests.ts';
import { eventually } from './operations.ts';

const execute = promisify(execFile);

/** A prime, and far fewer than blocks: neighbours lie far apart, and old records are overwritten. */
const slots = 1021;
const strideBytes = 48 * 1024;
const blockBytes = 4096;

export const logBytes = 64 * 2 ** 20;

/** Takes up where the disks say that it was: a record that was cut is thrown away, and its line is written again. */
const program = `
for d in /sys/block/vd*; do [ "$(cat $d/serial)" = log ] && log=/dev/\${d##*/}; done
line() { printf '%s %s\\n' $1 $2 | dd of=$log bs=${blockBytes} seek=$(( $1 % ${slots} * ${strideBytes / blockBytes} )) conv=notrunc,sync,fsync 2>/dev/null; }
cd /mnt/data && mkdir -p rec && cd rec
last=$(ls | sort -n | tail -n 1)
if [ -n "$last" ] && [ "$(sha256sum < $last | cut -c1-64)" != "\${last#*-}" ]; then rm $last; last=$(ls | sort -n | tail -n 1); fi
i=\${last%%-*}; i=\${i:-0}
[ $i -gt 0 ] && line $i \${last#*-}
echo $i > /tmp/acknowledged
while true; do
  i=$((i+1))
  head -c 5000 /dev/urandom > /tmp/record
  sum=$(sha256sum < /tmp/record | cut -c1-64)
  cp /tmp/record $i-$sum && sync && line $i $sum || exit 1
  echo $i > /tmp/acknowledged.next && mv /tmp/acknowledged.next /tmp/acknowledged
done`;

export async function startWriter(client: Client, vm: string): Promise<void> {
  await inGuest(client, vm, `(${program}) </dev/null >/dev/null 2>/tmp/writer.log &`);
  await recordsGrow(client, vm);
}

/** The highest record that the writer said is on both disks. */
export async function acknowledged(client: Client, vm: string): Promise<number> {
  return Number(await inGuest(client, vm, 'cat /tmp/acknowledged 2>/dev/null || echo 0'));
}

export async function recordsGrow(client: Client, vm: string, by = 2): Promise<void> {
  const before = await acknowledged(client, vm);
  await eventually(
    'the guest writes',
    () => acknowledged(client, vm),
    (now) => now >= before + by,
  );
}

/**
 * @param files of the two disks as they were at one instant
 * @param least a record that was acknowledged before
 * @returns the last record of the log
 */
export async function assertRecordsWhole(
  files: { readonly data: string; readonly log: string },
  least: number,
  what: string,
): Promise<number> {
  // As after a power cut at worst: the journal is replayed, and then nothing may be wrong.
  await execute('e2fsck', ['-p', files.data]).catch(({ code, stdout }) => {
    assert.ok(code <= 1, `${what}: ${stdout}`);
  });
  await execute('e2fsck', ['-n', '-f', files.data]);
  const records = await recordsOf(files.data);
  const lines = await linesOf(files.log);
  const last = Math.max(0, ...lines.keys());
  assert.ok(last >= least, `${what}: record ${least} was acknowledged, the log ends at ${last}`);
  for (let number = 1; number <= last; number += 1) {
    const record = records.get(number);
    assert.ok(record?.whole, `${what}: record ${number} of ${last} is ${record ? 'damaged' : 'missing'}`);
    if (number <= last - slots) continue;
    assert.equal(lines.get(number), record.sum, `${what}: line ${number} of ${last} in the log`);
  }
  const ahead = Math.max(0, ...records.keys()) - last;
  assert.ok(ahead <= 1, `${what}: the disks are ${ahead} records apart: not of one instant`);
  return last;
}

async function recordsOf(
  file: string,
): Promise<Map<number, { readonly sum: string; readonly whole: boolean }>> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-records-'));
  try {
    await execute('debugfs', ['-R', `rdump /rec ${folder}`, file]);
    const records = new Map<number, { sum: string; whole: boolean }>();
    for (const name of await readdir(join(folder, 'rec'))) {
      const [number, sum] = name.split('-') as [string, string];
      const content = await readFile(join(folder, 'rec', name));
      const whole = createHash('sha256').update(content).digest('hex') === sum;
      assert.ok(!records.has(Number(number)), `record ${number} is there twice`);
      records.set(Number(number), { sum, whole });
    }
    return records;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function linesOf(file: string): Promise<Map<number, string>> {
  await using handle = await open(file, 'r');
  const lines = new Map<number, string>();
  const block = Buffer.alloc(blockBytes);
  for (let slot = 0; slot < slots; slot += 1) {
    await handle.read(block, 0, blockBytes, slot * strideBytes);
    const match = /^(\d+) ([0-9a-f]{64})\n\0*$/.exec(block.toString('latin1'));
    if (!match) {
      assert.ok(!block.some((byte) => byte !== 0), `block ${slot} of the log is torn`);
      continue;
    }
    assert.equal(Number(match[1]) % slots, slot);
    lines.set(Number(match[1]), match[2]!);
  }
  return lines;
}
