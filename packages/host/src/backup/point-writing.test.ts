import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { repair } from '@corral/backup/check/repair';
import { MemoryStore } from '@corral/backup/object-store/memory-store';
import type { Point } from '@corral/backup/point/point';
import { Repository } from '@corral/backup/repository';
import { newId } from '@corral/core/ids';
import { openLayer } from '@corral/disk/drivers';
import { openMemoryStore } from '@corral/store/memory-store';
import type { ChainState } from '../chain/chain-records.ts';
import { DataDirectory } from '../data-directory.ts';
import { sampleLayer, sampleState, vmOn } from '../testing/sample-chains.ts';
import { auditDisk } from './audit.ts';
import type { BackupHost } from './backup-host.ts';
import { withBackupDone } from './backup-reference.ts';
import { type PointTask, writeVmPoint } from './point-writing.ts';

const blockBytes = 2 ** 16;
const { signal } = new AbortController();
const pace = async (): Promise<void> => undefined;

/** A VM that is off, with one raw disk that a pin holds. */
async function stillVm(folder: string, content: Buffer) {
  const directory = new DataDirectory(folder);
  const layer = sampleLayer(newId(), { format: 'raw' });
  const settings = vmOn([layer.id]);
  const [disk] = settings.disks;
  await mkdir(directory.vm(settings.id).disks, { recursive: true });
  const path = directory.resolveInVm(settings.id, layer.path);
  await writeFile(path, content);
  const pin = {
    id: newId(),
    vmId: settings.id,
    reason: 'a test',
    createdAt: new Date().toISOString(),
    operationId: null,
    expiresAt: null,
    disks: [{ diskId: disk!.id, name: disk!.name, sizeBytes: content.length, chain: [layer] }],
    doomed: [],
  };
  let state: ChainState = { ...sampleState(settings, []), pins: [pin] };
  const backups = {
    host: { directory, chainRecords: { read: async () => state }, log: { warn: () => undefined } },
    store: openMemoryStore(),
  } as unknown as BackupHost;
  const write = async (repository: Repository): Promise<Point> => {
    const task: PointTask = {
      pointId: newId(),
      operationId: newId(),
      name: 'nightly',
      vmId: settings.id,
      vmName: settings.name,
      pinId: pin.id,
      repositoryId: repository.id,
      fork: { settings, consistency: 'crash', reason: null, frozenMs: 0, forkedAt: new Date().toISOString() },
      full: new Set(),
      plan: null,
      auditRoundMs: 1,
      audited: null,
      pace,
      progress: () => undefined,
      signal,
    };
    const { point } = await writeVmPoint(backups, repository, task);
    const backup = { repositoryId: repository.id, repositoryName: 'vault', pointId: point.id };
    state = withBackupDone(state, pin, backup, true);
    return point;
  };
  return { path, write };
}

test('after a repair that lost data of the point before, the disk is read in full and not compared with what is gone', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'corral-point-'));
  try {
    const content = randomBytes(4 * blockBytes);
    const vm = await stillVm(folder, content);
    const store = new MemoryStore();
    await using repository = await Repository.create(store, { workers: 1 });
    const first = await vm.write(repository);
    const second = await vm.write(repository);
    assert.deepEqual([second.base, second.disks[0]!.auditBytes], [first.id, content.length]);

    for (const name of [...store.objects.keys()]) if (name.startsWith('packs/')) store.objects.delete(name);
    await repair(repository.context);
    // As the daemon does: each backup opens the repository anew.
    await using anew = await Repository.open(store, { workers: 1 });
    const third = await vm.write(anew);
    assert.deepEqual([third.base, third.disks[0]!.readBytes], [null, content.length]);
    const fourth = await vm.write(anew);
    assert.deepEqual([fourth.base, fourth.disks[0]!.auditBytes], [third.id, content.length]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a disk that ends in the middle of a block is no other because it ended elsewhere in the backup before', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'corral-point-'));
  try {
    const content = randomBytes(2 * blockBytes + 512);
    const vm = await stillVm(folder, content);
    await using repository = await Repository.create(new MemoryStore(), { workers: 1 });
    const { disks, id } = await vm.write(repository);
    await using held = await repository.holdPoint(id);
    for (const sizeBytes of [blockBytes + 1024, 3 * blockBytes]) {
      await writeFile(vm.path, Buffer.concat([content, Buffer.alloc(blockBytes)]).subarray(0, sizeBytes));
      await using disk = await openLayer(vm.path, { format: 'raw', readOnly: true });
      const clean = [{ offset: 0, length: sizeBytes }];
      const { mismatch } = await auditDisk(disk, disks[0]!.name, held, clean, pace, signal);
      assert.equal(mismatch, null, `${sizeBytes} bytes`);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
