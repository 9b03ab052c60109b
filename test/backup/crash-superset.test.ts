/**
 * What changed is known after a crash of QEMU in the middle of scattered writes: everything that differs is in the answer,
 * and the answer is small. No guest's system is needed: QEMU's own monitor writes through the disk's device.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import type { Client } from '@corral/api/client.gen';
import { type ChangedExtent, Changes } from '@corral/api/schemas/reference';
import { QmpClient } from '@corral/qmp/qmp-client';
import { backedUp, connectedRepository } from '../support/backups.ts';
import { OffVm } from '../support/off-vm.ts';
import { succeeded, vmInState } from '../support/operations.ts';
import { randomOf } from '../support/random.ts';
import { TestHost } from '../support/test-host.ts';

const seed = Number(process.env['CORRAL_TEST_SEED'] ?? 21);
const sizeBytes = 2 ** 32;
const blockBytes = 4096;
const filledBytes = 64 * 2 ** 20;
const scattered = 600;

it(`after a crash a little more than the truth is known to have changed, never less (seed ${seed})`, async (test) => {
  await using host = await TestHost.start();
  const { client, data } = host;
  await connectedRepository(client, data);
  const vm = await OffVm.create(host, 'a', sizeBytes);
  const before = Buffer.alloc(filledBytes, 'before');
  await vm.write(0, before);
  await backedUp(client, 'a');
  await succeeded(client, client.vm.start('a'));
  await succeeded(client, client.reference.create('a', { name: 'monday', consistency: 'crash' }));

  const { pid } = await client.vm.show('a');
  await host.endDaemon('SIGKILL');
  const written = await scatteredWrites(data, vm.id);
  process.kill(pid!, 'SIGKILL');
  await host.startDaemon();
  await vmInState(client, 'a', 'off');

  const changes = await open(client, 'monday');
  const [disk] = changes.disks;
  assert.ok(disk!.tracked);
  const extents = await extentsOf(client, changes);
  await assertCovers(vm, before, extents);
  // What was flushed before the crash is certain to be there.
  for (const offset of written.flushed) {
    assert.ok(covers(extents, offset), `the block at ${offset} was on disk`);
    assert.equal((await vm.read(offset, 1))[0], 0xa5);
  }
  const truth = written.all.size * blockBytes;
  const most = 2 * truth + 16 * 2 ** 20;
  test.diagnostic(
    `written ${truth} bytes in ${written.all.size} places, the answer ${disk!.changedBytes} bytes (${(disk!.changedBytes / truth).toFixed(2)} times; at most ${most})`,
  );
  assert.ok(disk!.changedBytes <= most, `${disk!.changedBytes} bytes of ${sizeBytes}`);
  await succeeded(client, client.changes.close('a', changes.id));

  const id = await backedUp(client, 'a');
  const [backup] = (await client.backup.show(id, {})).disks;
  // In blocks of the repository; scattered, each write is one.
  assert.ok(backup!.readBytes <= written.all.size * 2 ** 16, `${backup!.readBytes} bytes were read`);
  test.diagnostic(`the backup after it read ${backup!.readBytes} bytes, audited ${backup!.auditBytes}`);
});

interface Written {
  readonly flushed: ReadonlySet<number>;
  readonly all: ReadonlySet<number>;
}

/** Half of them are flushed; among the others QEMU dies. */
async function scatteredWrites(data: string, vmId: string): Promise<Written> {
  const random = randomOf(seed);
  await using qmp = new AsyncDisposableStack();
  const monitor = await QmpClient.connect(join(data, 'run', vmId, 'qmp.sock'));
  qmp.defer(() => monitor.close());
  const io = async (command: string): Promise<void> => {
    const line = `qemu-io -d /machine/peripheral/disk-data/virtio-backend "${command}"`;
    const said = await monitor.execute('human-monitor-command', { 'command-line': line });
    // The human monitor tells a failure in words alone; what went well says nothing.
    assert.equal(said, '', line);
  };
  const all = new Set<number>();
  const write = async (): Promise<void> => {
    // Half of them over what was there before.
    const within = random(2) === 0 ? filledBytes : sizeBytes;
    const offset = random(within / blockBytes) * blockBytes;
    await io(`write -P 0xa5 ${offset} ${blockBytes}`);
    all.add(offset);
  };
  for (let count = 0; count < scattered / 2; count += 1) await write();
  await io('flush');
  const flushed = new Set(all);
  for (let count = 0; count < scattered / 2; count += 1) await write();
  return { flushed, all };
}

/** Every block that is not as it was before is in the answer. */
async function assertCovers(vm: OffVm, before: Buffer, extents: readonly ChangedExtent[]): Promise<void> {
  const pieceBytes = 2 ** 20;
  for (let offset = 0; offset < filledBytes; offset += pieceBytes) {
    const now = await vm.read(offset, pieceBytes);
    for (let at = 0; at < pieceBytes; at += blockBytes) {
      const same = now
        .subarray(at, at + blockBytes)
        .equals(before.subarray(offset + at, offset + at + blockBytes));
      if (!same) assert.ok(covers(extents, offset + at), `the block at ${offset + at} changed`);
    }
  }
}

function covers(extents: readonly ChangedExtent[], offset: number): boolean {
  return extents.some(
    (extent) => extent.offset <= offset && offset + blockBytes <= extent.offset + extent.length,
  );
}

async function open(client: Client, since: string): Promise<Changes> {
  const { output } = await succeeded(client, client.changes.open('a', { since }));
  return Changes.parse(await client.changes.show('a', (output as { changesId: string }).changesId));
}

async function extentsOf(client: Client, { id }: Changes): Promise<ChangedExtent[]> {
  const { items } = await client.changes.extents('a', id, 'data', { limit: 100_000 });
  return items;
}
