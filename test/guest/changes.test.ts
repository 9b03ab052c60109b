/** Any program can ask what changed since a reference point, and read it: the public interface of change tracking. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Client } from '@corral/api/client.gen';
import { type ChangedExtent, Changes } from '@corral/api/schemas/reference';
import { bootedGuest, inGuest } from '../support/guests.ts';
import { eventually, succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const execute = promisify(execFile);
const sizeBytes = 2 ** 27;

describe('changes since a reference point', () => {
  it('are listed and read over NBD until they are closed, over a restart of the daemon', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await bootedGuest(client, { name: 'a', disks: [{ name: 'data', sizeBytes, filesystem: 'ext4' }] });
    await succeeded(client, client.reference.create('a', { name: 'monday' }));
    await inGuest(client, 'a', 'dd if=/dev/urandom of=/mnt/data/file bs=64k count=8 && sync');
    const before = await open(client, { since: 'monday', reference: 'tuesday' });
    assert.deepEqual([before.since?.name, before.consistency], ['monday', 'filesystem']);
    const [disk] = before.disks;
    assert.ok(disk!.tracked && disk!.changedBytes >= 2 ** 19 && disk!.changedBytes < 2 ** 23);

    await inGuest(client, 'a', 'echo after > /mnt/data/later && sync');
    await host.restart('SIGKILL');
    const held = await readOverNbd(before, await extentsOf(client, before));
    assert.equal(held.length, disk!.changedBytes);
    assert.ok(!held.includes('after\n'), 'the disks are of the instant at which they were opened');

    const after = await open(client, { since: 'tuesday' });
    const later = await readOverNbd(after, await extentsOf(client, after));
    assert.ok(later.includes('after\n') && later.length < held.length);
    for (const { id } of [before, after]) await succeeded(client, client.changes.close('a', id));
    assert.deepEqual((await client.changes.list('a', {})).items, []);
    await merged(client, 3);
    for (const name of ['monday', 'tuesday']) await succeeded(client, client.reference.delete('a', name));
  });

  it('are known of several points at once, over crashes, and end by themselves', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await bootedGuest(client, { name: 'a', disks: [{ name: 'data', sizeBytes, filesystem: 'ext4' }] });
    for (const name of ['one', 'two', 'three']) {
      await succeeded(client, client.reference.create('a', { name, consistency: 'crash' }));
      await inGuest(client, 'a', `dd if=/dev/urandom of=/mnt/data/${name} bs=64k count=16 && sync`);
    }
    const { pid } = await client.vm.show('a');
    process.kill(pid!, 'SIGKILL');
    process.kill(host.daemonPid, 'SIGKILL');
    await host.daemonEnded();
    await host.startDaemon();
    const sizes: number[] = [];
    for (const since of ['one', 'two', 'three']) {
      const { disks } = await open(client, { since, keepMs: 10_000 });
      assert.ok(disks[0]!.tracked, `what changed since ${since} is known`);
      sizes.push(disks[0]!.changedBytes);
    }
    assert.ok(sizes[0]! > sizes[1]! && sizes[1]! > sizes[2]! && sizes[2]! >= 2 ** 20);
    assert.ok(sizes[0]! < 2 * 3 * 2 ** 20 + 16 * 2 ** 20, `${sizes[0]} bytes: never everything`);
    await eventually(
      'they have expired',
      () => client.changes.list('a', {}),
      ({ items }) => items.length === 0,
    );
    await merged(client, 4);
  });
});

async function open(client: Client, request: Parameters<Client['changes']['open']>[1]): Promise<Changes> {
  const { output } = await succeeded(client, client.changes.open('a', request));
  return Changes.parse(await client.changes.show('a', (output as { changesId: string }).changesId));
}

/** All pages, small ones. */
async function extentsOf(client: Client, { id }: Changes): Promise<ChangedExtent[]> {
  const all: ChangedExtent[] = [];
  for (let after: string | null = '0'; after !== null; ) {
    const page: Awaited<ReturnType<Client['changes']['extents']>> = await client.changes.extents(
      'a',
      id,
      'data',
      {
        limit: 3,
        after,
      },
    );
    all.push(...page.items);
    after = page.next;
  }
  return all;
}

/** As a program of somebody else would: by QEMU's own tools, with nothing but the address. */
async function readOverNbd({ nbd }: Changes, extents: readonly ChangedExtent[]): Promise<Buffer> {
  const address = nbd.replace('/DISK', '/data');
  const pieces: Buffer[] = [];
  for (const { offset, length } of extents) {
    const image = { driver: 'raw', offset, size: length, file: { driver: 'nbd', ...serverOf(address) } };
    const target = `/tmp/corral-extent-${process.pid}`;
    await execute('qemu-img', ['convert', '-O', 'raw', `json:${JSON.stringify(image)}`, target]);
    const stdout = await readFile(target);
    await rm(target);
    pieces.push(stdout.subarray(0, length));
  }
  return Buffer.concat(pieces);
}

function serverOf(address: string): object {
  const url = new URL(address);
  return { server: { type: 'unix', path: url.searchParams.get('socket') }, export: url.pathname.slice(1) };
}

async function merged(client: Client, layers: number): Promise<void> {
  await eventually(
    `no more than ${layers} layers are left`,
    () => client.vm.show('a'),
    ({ disks }) => disks[0]!.parents.length < layers,
  );
}
