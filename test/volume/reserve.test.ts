/** Work that would use up the reserve is refused before it begins, with figures; one event tells that it is reached. */
import assert from 'node:assert/strict';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isApiProblem } from '@corral/api/api-problem';
import { MountedFileSystem } from '../support/file-systems.ts';
import { eventually, succeeded, vmInState } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const MiB = 2 ** 20;

const belowReserve = (cause: unknown): boolean =>
  isApiProblem(cause) &&
  cause.code === 'volume.below-reserve' &&
  cause.status === 507 &&
  /needs .* on volume "v", which has .* free and keeps a reserve of/.test(cause.message);

describe('the reserve of a volume', () => {
  it('stops new disks, copies and clones, not what runs, and is told once', {
    timeout: 300_000,
  }, async () => {
    await using mounted = await MountedFileSystem.mount('tmpfs', 200 * MiB);
    await using host = await TestHost.start();
    const { client } = host;
    await succeeded(client, client.volume.add({ name: 'v', path: mounted.path }));
    const fresh = await client.volume.show('v');
    assert.deepEqual([fresh.reserveBytes, fresh.belowReserve], [10 * MiB, false]);
    const source = join(host.data, 'source.raw');
    await writeFile(source, Buffer.alloc(32 * MiB, 7));
    const vm = { name: 'a', memoryBytes: 64 * MiB, volume: 'v' };
    await succeeded(client, client.vm.create({ ...vm, disks: [{ name: 'd', from: source }] }));
    const shown = await client.volume.show('v');
    assert.ok(shown.allocatedBytes! >= 32 * MiB);
    assert.deepEqual([shown.provisionedBytes, shown.usedBy.length], [32 * MiB, 1]);

    const freeNow = shown.freeBytes!;
    await succeeded(client, client.volume.update('v', { reserveBytes: freeNow - 20 * MiB }));
    await assert.rejects(client.vm.disk.add('a', { name: 'e', from: source }), belowReserve);
    await assert.rejects(
      client.vm.create({ ...vm, name: 'b', disks: [{ name: 'd', from: source }] }),
      belowReserve,
    );
    const clone = client.vm.clone('a', { name: 'b' });
    await assert.rejects(succeeded(client, clone), /reserve/);
    await succeeded(client, client.vm.start('a'));
    await vmInState(client, 'a', 'running');
    // The memory of the VM is more than what is left above the reserve.
    const checkpoint = client.checkpoint.create('a', { name: 'c', type: 'standard' });
    await assert.rejects(succeeded(client, checkpoint), /Checkpoint c needs 64 MiB on volume "v"/);
    await assert.rejects(succeeded(client, client.vm.save('a')), /The memory of VM a needs 64 MiB/);
    await succeeded(client, client.vm.disk.add('a', { name: 'small', sizeBytes: MiB }));

    await writeFile(join(mounted.path, 'filler'), Buffer.alloc(24 * MiB));
    const told = () => client.event.list({ type: 'volume.below-reserve' });
    await eventually('it is told', told, ({ items }) => items.length > 0);
    await assert.rejects(client.vm.disk.add('a', { name: 'f', sizeBytes: MiB }), belowReserve);
    assert.equal((await client.vm.show('a')).state, 'running', 'what runs is not stopped');
    await host.restart('SIGTERM');
    assert.equal((await told()).items.length, 1);
    const doctor = await client.host.doctor();
    const space = doctor.findings.find(({ check }) => check === 'volumes');
    assert.equal(space?.severity, 'warning');
    assert.deepEqual(space.things, ['v']);

    await rm(join(mounted.path, 'filler'));
    await succeeded(client, client.volume.update('v', { reserveBytes: null }));
    await succeeded(client, client.vm.disk.add('a', { name: 'f', sizeBytes: MiB }));
    const { id } = await client.vm.show('a');
    const files = await readdir(join(mounted.path, 'corral/vms', id, 'disks'));
    assert.deepEqual(files.sort(), ['d.qcow2', 'f.qcow2', 'small.qcow2']);
  });
});
