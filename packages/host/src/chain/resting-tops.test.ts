import assert from 'node:assert/strict';
import { appendFile, mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { newId } from '@corral/core/ids';
import { openMemoryStore } from '@corral/store/memory-store';
import { DataDirectory } from '../data-directory.ts';
import { sampleState, vmOn } from '../testing/sample-chains.ts';
import { VmRecords } from '../vm/vm-record.ts';
import { brokenLayers } from './check-seals.ts';
import { giveUpTopSeals, lacksTopSeals, sealTops, topSeal } from './resting-tops.ts';
import { sealOf } from './seal.ts';

/** A VM with one disk of two layers, whose files are there. */
async function withVm(
  test: (directory: DataDirectory, records: VmRecords, id: string, top: string) => Promise<void>,
): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'corral-resting-'));
  try {
    const directory = new DataDirectory(root);
    const settings = vmOn([newId(), newId()]);
    const { id } = settings;
    const disk = settings.disks[0]!;
    const [top, base] = [disk, disk.parents[0]!].map(({ path }) => directory.resolveInVm(id, path));
    await mkdir(dirname(top!), { recursive: true });
    for (const file of [top!, base!]) await writeFile(file, 'content');
    const parents = [{ ...disk.parents[0]!, seal: await sealOf(base!) }];
    const { vm } = sampleState({ ...settings, disks: [{ ...disk, parents }] }, []);
    const records = new VmRecords(openMemoryStore());
    await records.create(vm);
    await test(directory, records, id, top!);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

describe('the top layer of a VM that rests', () => {
  it('is known once it was looked at, and an edit is found', async () => {
    await withVm(async (directory, records, id, top) => {
      assert.ok(lacksTopSeals(await records.get(id)));
      await sealTops(directory, records, id);
      assert.equal(lacksTopSeals(await records.get(id)), false);
      assert.deepEqual(await brokenLayers(directory, await records.get(id)), []);
      await utimes(top, new Date(), new Date());
      assert.deepEqual(
        (await brokenLayers(directory, await records.get(id))).map(({ path }) => path),
        [top],
      );
    });
  });

  it('is not taken down anew while it is known: the edit stays found', async () => {
    await withVm(async (directory, records, id, top) => {
      await sealTops(directory, records, id);
      await appendFile(top, 'more');
      await sealTops(directory, records, id);
      assert.equal((await brokenLayers(directory, await records.get(id))).length, 1);
    });
  });

  it('may be written to once its seal was given up, and by the QEMU of a VM that runs', async () => {
    await withVm(async (directory, records, id, top) => {
      await sealTops(directory, records, id);
      const sealed = await records.get(id);
      await giveUpTopSeals(records, id);
      await appendFile(top, 'more');
      assert.deepEqual(await brokenLayers(directory, await records.get(id)), []);
      const [disk] = sealed.settings.disks;
      const process = {} as NonNullable<typeof sealed.process>;
      assert.ok(topSeal(sealed, disk!));
      assert.equal(topSeal({ ...sealed, process }, disk!), null);
    });
  });

  it('counts for its own file and state only: a new top has no seal yet', async () => {
    await withVm(async (directory, records, id) => {
      await sealTops(directory, records, id);
      const record = await records.get(id);
      const [disk] = record.settings.disks;
      assert.equal(topSeal(record, { ...disk!, layerId: 'another' }), null);
      assert.equal(topSeal(record, { ...disk!, path: 'disks/another.qcow2' }), null);
    });
  });
});
