/** Every VHD and VHDX of the samples gives the hash that others computed, or fails as it should. */
import assert from 'node:assert/strict';
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import type { Disk, DiskDriver } from '@corral/disk/disk';
import { vhdDriver } from '@corral/disk/vhd/driver';
import { vhdxDriver } from '@corral/disk/vhdx/driver';
import { hashOf, samplesMissing, temporaryFolder, unpack } from './shared-samples.ts';

const skip = samplesMissing;

interface Sample {
  readonly file: string;
  readonly parent?: string;
  readonly hash: string;
}

const samples: readonly Sample[] = [
  {
    file: 'dfvfs/ntfs-fixed.vhdx.gz',
    hash: '5237dd895f38052344e2ef35a207fe9df08cd18d17b6ea857a1b93cc475e1f2e',
  },
  { file: 'dfvfs/ext2.vhdx.gz', hash: 'a6c2f0e39afe6c6ab432ca5465349fcefe8dc944398e97b2d957d3f89dbb5d80' },
  {
    file: 'dfvfs/ntfs-parent.vhdx.gz',
    hash: 'c5523065bc6ef82267be56c5f8888e2876ead8ba7edba2a65a3da8b076231b68',
  },
  {
    file: 'dfvfs/ntfs-dynamic.vhdx.gz',
    hash: 'b92731f8e4bf3532418444d22a9086823a8122569500acd09cd8d2ce20eb98e9',
  },
  {
    file: 'dfvfs/fat-parent.vhdx.gz',
    hash: '2d1954fec68faefe81dd3687282a9b387bf8417f6d2cf0da3825fa1445b64cfb',
  },
  {
    file: 'dfvfs/fat-differential.vhdx.gz',
    parent: 'dfvfs/fat-parent.vhdx.gz',
    hash: 'a538161f34bc44c12bf9a542ce9218741c62728723ea18d0e4f6ea92e9f32e93',
  },
  {
    file: 'dfvfs/ntfs-differential.vhdx.gz',
    parent: 'dfvfs/ntfs-parent.vhdx.gz',
    hash: '1ef1fb5360247aa7d36a38415bc7bf6e1e52f62af5e6bd1283815e82584c7efc',
  },
  {
    file: 'qemu-iotests/test-disk2vhd.vhdx.bz2',
    hash: '96d964042be9b58dda1725567abfb0cf9fd8380e2118754afa979c2ad445938a',
  },
  {
    file: 'qemu-iotests/iotest-dynamic-1G.vhdx.bz2',
    hash: 'd3d112d8dab7fd360609f7d5a7b769904b7a2a7d7b6b8c535f65a23293c05478',
  },
  {
    file: 'dfvfs/fat-parent.vhd.gz',
    hash: 'bbdb657bc5aa2fde44e2456149f9257a862cb84f4668e338b90e357b0fbdf118',
  },
  {
    file: 'dfvfs/ntfs-dynamic.vhd.gz',
    hash: '8b10b52e3d1e76075d05a5101a6536b9fa8376a5b8f7c22f502d0987d165c876',
  },
  { file: 'dfvfs/ext2.vhd.gz', hash: '870be7ae16c1fa8faab05c6eb9205dc9a7ae35c5f552c5cf8a267c0bc6a5cb99' },
  {
    file: 'dfvfs/ntfs-fixed.vhd.gz',
    hash: 'cd81fade3878f1b2957f1ece168201876bdf4e90c9b30f60c2f232eba5fea76c',
  },
  {
    file: 'dfvfs/ntfs-parent.vhd.gz',
    hash: 'c91d1766dd4b3327f33a082cbf958d3566dd84a3d71c2473a5ae6155e53171de',
  },
  {
    file: 'dfvfs/ntfs-differential.vhd.gz',
    parent: 'dfvfs/ntfs-parent.vhd.gz',
    hash: 'b7922a46a6b08fa4f4fc0c51a25d5587d1d49f15cfade45ca740dd07110ae144',
  },
  {
    file: 'dfvfs/fat-differential.vhd.gz',
    parent: 'dfvfs/fat-parent.vhd.gz',
    hash: 'f4b61a33ee2f7e8c19f737792a4107e46340026a9a829e4169b751901cc3ef02',
  },
  {
    file: 'qemu-iotests/d2v-zerofilled.vhd.bz2',
    hash: '1ba076be94a8a64541c25aae8d5a5f8b0da758c3797af597e03acb431ff8d143',
  },
];

function driverOf(file: string): DiskDriver {
  return file.includes('.vhdx') ? vhdxDriver : vhdDriver;
}

for (const { file, parent, hash } of samples) {
  test(`${file} reads as it should and is sound`, { skip }, async () => {
    await using folder = await temporaryFolder();
    const path = await unpack(file, folder.path);
    const driver = driverOf(file);
    await using disk = await driver.open(path, { readOnly: true });
    assert.equal(disk.info.dirty, false);
    if (parent) {
      await using base = await driver.open(await unpack(parent, folder.path), { readOnly: true });
      assert.equal(disk.info.variant, 'differencing');
      assert.equal(disk.info.parent?.identity?.dataWriteId, base.info.identity.dataWriteId);
      assert.equal(disk.info.identity.id, base.info.identity.id);
      const names = disk.info.parent?.paths.map(
        ({ kind, path: name }) => `${kind} ${name.split('\\').at(-1)}`,
      );
      assert.equal(names?.[0], `relative ${base.path.split('/').at(-1)}`);
      assert.equal(await hashOf(disk, base), hash);
    } else {
      assert.equal(await hashOf(disk), hash);
    }
    const report = await driver.check(path);
    assert.deepEqual(report.problems, []);
    assert.equal(report.ok, true);
  });
}

const dirtyHash = '179cefe8b0587f123393eedf2aa7aa8d25798591178e6bc3950a09762f38f96f';

/** All of the 10 GiB that holds anything: the first 18 MiB. */
async function dirtyContent(disk: Disk): Promise<Buffer> {
  const bytes = Buffer.alloc(32 * 2 ** 20);
  await disk.read(bytes, 0);
  for await (const extent of disk.extents({
    offset: bytes.length,
    length: disk.info.sizeBytes - bytes.length,
  })) {
    assert.notEqual(extent.kind, 'data');
  }
  return bytes;
}

test('a dirty log is replayed in memory, and into the file only when asked for', { skip }, async () => {
  await using folder = await temporaryFolder();
  const path = await unpack('qemu-iotests/iotest-dirtylog-10G-4M.vhdx.bz2', folder.path);
  const before = await readFile(path);
  let content: Buffer;
  {
    await using disk = await vhdxDriver.open(path, { readOnly: true });
    assert.equal(disk.info.dirty, true);
    assert.equal(await hashOf(disk), dirtyHash);
    const report = await vhdxDriver.check(path);
    assert.equal(report.ok, false);
    assert.deepEqual(
      report.problems.map(({ kind, repaired }) => ({ kind, repaired })),
      [{ kind: 'note', repaired: false }],
    );
    content = await dirtyContent(disk);
  }
  assert.ok(before.equals(await readFile(path)), 'the file was changed by reading it');
  const report = await vhdxDriver.check(path, { repair: true });
  assert.deepEqual(
    report.problems.map(({ kind, repaired }) => ({ kind, repaired })),
    [{ kind: 'note', repaired: true }],
  );
  await using disk = await vhdxDriver.open(path, { readOnly: true });
  assert.equal(disk.info.dirty, false);
  assert.ok(content.equals(await dirtyContent(disk)));
});

test('opening for writing replays the log and changes FileWriteGuid, not DataWriteGuid', {
  skip,
}, async () => {
  await using folder = await temporaryFolder();
  const path = await unpack('qemu-iotests/iotest-dirtylog-10G-4M.vhdx.bz2', folder.path);
  const copy = join(folder.path, 'copy.vhdx');
  await copyFile(path, copy);
  await using original = await vhdxDriver.open(path, { readOnly: true });
  await (await vhdxDriver.open(copy, { readOnly: false })).close();
  await using replayed = await vhdxDriver.open(copy, { readOnly: true });
  assert.equal(replayed.info.dirty, false);
  assert.notEqual(replayed.info.details['fileWriteId'], original.info.details['fileWriteId']);
  assert.equal(replayed.info.identity.dataWriteId, original.info.identity.dataWriteId);
  assert.ok((await dirtyContent(replayed)).equals(await dirtyContent(original)));
});

test('the size of an empty VHD follows its creator', { skip }, async () => {
  await using folder = await temporaryFolder();
  const hyperV = await unpack('qemu-iotests/hyperv2012r2-dynamic.vhd.bz2', folder.path);
  const virtualPc = await unpack('qemu-iotests/virtualpc-dynamic.vhd.bz2', folder.path);
  await using one = await vhdDriver.open(hyperV, { readOnly: true });
  await using other = await vhdDriver.open(virtualPc, { readOnly: true });
  assert.equal(one.info.sizeBytes, 136_365_211_648);
  assert.equal(other.info.sizeBytes, 136_363_130_880);
  for (const disk of [one, other]) {
    const extents = await Array.fromAsync(disk.extents());
    assert.deepEqual(extents, [{ offset: 0, length: disk.info.sizeBytes, kind: 'hole', layer: 0 }]);
  }
});

for (const file of ['dfvfs/image.vhd.gz', 'dfvfs/image-differential.vhd.gz']) {
  test(`${file} is refused: the checksum of its footer is wrong`, { skip }, async () => {
    await using folder = await temporaryFolder();
    const path = await unpack(file, folder.path);
    await assert.rejects(vhdDriver.open(path, { readOnly: true }), (cause) =>
      isCorralError(cause, 'disk.corrupt'),
    );
  });
}
