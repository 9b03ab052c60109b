import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { openMemoryStore } from '@corral/store/memory-store';
import { DataDirectory } from '../data-directory.ts';
import type { Logger } from '../logger.ts';
import { requireRoom } from '../vm/disk-space.ts';
import type { EmitEvent } from '../vm/vm-events.ts';
import { directoryDriver } from './directory-driver.ts';
import type { VolumeDriver, VolumeSpace } from './volume-driver.ts';
import { VolumeRecords } from './volume-record.ts';
import { Volumes } from './volumes.ts';
import { lookAtVolumes } from './watch-volumes.ts';

const GiB = 2 ** 30;
const nothing = (): void => undefined;
const noLog: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };

interface Bench {
  readonly volumes: Volumes;
  readonly root: string;
  /** What the volume `local` says of its space. */
  readonly space: { totalBytes: number; freeBytes: number };
  readonly told: string[];
  look(): Promise<void>;
}

/** A real folder whose figures the test sets. */
async function bench(t: TestContext): Promise<Bench> {
  const root = await mkdtemp(join(tmpdir(), 'corral-volumes-'));
  t.after(() => rm(root, { recursive: true }));
  const space = { totalBytes: 100 * GiB, freeBytes: 50 * GiB };
  const driver: VolumeDriver = {
    ...directoryDriver,
    space: async (): Promise<VolumeSpace> => ({ ...space }),
  };
  const volumes = new Volumes({
    records: new VolumeRecords(openMemoryStore()),
    directory: new DataDirectory(root),
    driver,
    self: { id: 'h1', name: 'one' },
    separateUsers: false,
  });
  await mkdir(join(root, 'vms'));
  await volumes.prepareLocal();
  const told: string[] = [];
  const emit: EmitEvent = async (type: string, ..._rest: unknown[]) => told.push(type);
  return { volumes, root, space, told, look: () => lookAtVolumes(volumes, emit, noLog) };
}

async function take(volumes: Volumes, root: string, ownerId: string): Promise<void> {
  const before = (await volumes.driver.readOwner(root))!;
  const next = { ...before, generation: before.generation + 1, owner: { ...before.owner!, id: ownerId } };
  await volumes.driver.writeOwner(root, next, before, ownerId);
}

describe('the volumes of a host', () => {
  it('have the data directory among them, the same after each start', async (t) => {
    const { volumes, root } = await bench(t);
    const [local] = await volumes.records.list();
    assert.deepEqual([local?.name, local?.root, local?.local], ['local', root, true]);
    await volumes.prepareLocal();
    assert.deepEqual(await volumes.records.list(), [local]);
    assert.equal((await volumes.standing(local!)).state, 'held');
  });

  it('refuse work that would use up the reserve, with figures, and where another host owns', async (t) => {
    const { volumes, root, space } = await bench(t);
    const path = join(root, 'vms/1/disks/a.qcow2');
    await volumes.requireSpace(path, 46 * GiB, 'A copy');
    await assert.rejects(volumes.requireSpace(path, 46 * GiB + 1, 'A copy'), {
      code: 'volume.below-reserve',
      message: /A copy needs 46 GiB on volume "local", which has 50 GiB free and keeps a reserve of 4 GiB/,
    });
    space.freeBytes = 3 * GiB;
    await assert.rejects(volumes.requireSpace(path, 0, 'A copy'), { code: 'volume.below-reserve' });
    await volumes.requireSpace('/elsewhere', 1e15, 'A copy outside of all volumes');
    space.freeBytes = 50 * GiB;
    await take(volumes, root, 'h2');
    await assert.rejects(volumes.requireSpace(path, 0, 'A copy'), { code: 'volume.foreign' });
    await assert.rejects(volumes.requireVm({ id: '1', disks: [] }), { code: 'volume.foreign' });
  });

  it('count all disks of a request together', async (t) => {
    const { volumes, root, space } = await bench(t);
    space.freeBytes = 4 * GiB + 3 * 2 ** 20;
    const disk = (name: string) => ({
      disk: { name, format: 'qcow2', sizeBytes: GiB } as const,
      path: join(root, 'vms/1/disks', name),
      making: { kind: 'blank' } as const,
    });
    await requireRoom(volumes, 'VM a', [disk('a'), disk('b'), disk('c')]);
    const four = [disk('a'), disk('b'), disk('c'), disk('d')];
    await assert.rejects(requireRoom(volumes, 'VM a', four), { code: 'volume.below-reserve' });
  });

  it('tell of a loss, of its end and of the reserve once each', async (t) => {
    const { volumes, root, space, told, look } = await bench(t);
    await look();
    space.freeBytes = GiB;
    await look();
    await look();
    await take(volumes, root, 'h2');
    await look();
    await look();
    await take(volumes, root, 'h1');
    await look();
    assert.deepEqual(told, ['volume.below-reserve', 'volume.lost', 'volume.back']);
  });
});
