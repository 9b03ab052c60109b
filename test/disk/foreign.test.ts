/** Every disk of the samples through the registry: probed, inspected, hashed with its chain, converted, or refused. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertRejects } from '@corral/disk/disk-conformance';
import { probeFormat } from '@corral/disk/drivers';
import { inspectForeign } from '@corral/disk/inspect-foreign';
import { checkDisk } from '@corral/disk/verbs/check-disk';
import { convertDisk } from '@corral/disk/verbs/convert-disk';
import { hashDisk } from '@corral/disk/verbs/hash-disk';
import { inspectDisk } from '@corral/disk/verbs/inspect-disk';
import { mergeDisk } from '@corral/disk/verbs/merge-disk';
import { samplesMissing, unpack } from '../vhdx/shared-samples.ts';
import { assertSame, withFolder } from './qemu-img.ts';

const skip = samplesMissing;

interface Sample {
  readonly file: string;
  readonly parent?: string;
  /** Of the disk as a guest sees it, computed by others. */
  readonly sha256: string;
  readonly sizeBytes?: number;
}

const samples: readonly Sample[] = [
  {
    file: 'dfvfs/ntfs-fixed.vhdx.gz',
    sha256: '5237dd895f38052344e2ef35a207fe9df08cd18d17b6ea857a1b93cc475e1f2e',
  },
  { file: 'dfvfs/ext2.vhdx.gz', sha256: 'a6c2f0e39afe6c6ab432ca5465349fcefe8dc944398e97b2d957d3f89dbb5d80' },
  {
    file: 'dfvfs/ntfs-dynamic.vhdx.gz',
    sha256: 'b92731f8e4bf3532418444d22a9086823a8122569500acd09cd8d2ce20eb98e9',
  },
  {
    file: 'dfvfs/ntfs-parent.vhdx.gz',
    sha256: 'c5523065bc6ef82267be56c5f8888e2876ead8ba7edba2a65a3da8b076231b68',
  },
  {
    file: 'dfvfs/fat-parent.vhdx.gz',
    sha256: '2d1954fec68faefe81dd3687282a9b387bf8417f6d2cf0da3825fa1445b64cfb',
  },
  {
    file: 'dfvfs/fat-differential.vhdx.gz',
    parent: 'dfvfs/fat-parent.vhdx.gz',
    sha256: 'a538161f34bc44c12bf9a542ce9218741c62728723ea18d0e4f6ea92e9f32e93',
  },
  {
    file: 'dfvfs/ntfs-differential.vhdx.gz',
    parent: 'dfvfs/ntfs-parent.vhdx.gz',
    sha256: '1ef1fb5360247aa7d36a38415bc7bf6e1e52f62af5e6bd1283815e82584c7efc',
  },
  {
    file: 'dfvfs/ntfs-fixed.vhd.gz',
    sha256: 'cd81fade3878f1b2957f1ece168201876bdf4e90c9b30f60c2f232eba5fea76c',
  },
  {
    file: 'dfvfs/ntfs-dynamic.vhd.gz',
    sha256: '8b10b52e3d1e76075d05a5101a6536b9fa8376a5b8f7c22f502d0987d165c876',
  },
  { file: 'dfvfs/ext2.vhd.gz', sha256: '870be7ae16c1fa8faab05c6eb9205dc9a7ae35c5f552c5cf8a267c0bc6a5cb99' },
  {
    file: 'dfvfs/ntfs-parent.vhd.gz',
    sha256: 'c91d1766dd4b3327f33a082cbf958d3566dd84a3d71c2473a5ae6155e53171de',
  },
  {
    file: 'dfvfs/fat-parent.vhd.gz',
    sha256: 'bbdb657bc5aa2fde44e2456149f9257a862cb84f4668e338b90e357b0fbdf118',
  },
  {
    file: 'dfvfs/ntfs-differential.vhd.gz',
    parent: 'dfvfs/ntfs-parent.vhd.gz',
    sha256: 'b7922a46a6b08fa4f4fc0c51a25d5587d1d49f15cfade45ca740dd07110ae144',
  },
  {
    file: 'dfvfs/fat-differential.vhd.gz',
    parent: 'dfvfs/fat-parent.vhd.gz',
    sha256: 'f4b61a33ee2f7e8c19f737792a4107e46340026a9a829e4169b751901cc3ef02',
  },
  {
    file: 'qemu-iotests/test-disk2vhd.vhdx.bz2',
    sha256: '96d964042be9b58dda1725567abfb0cf9fd8380e2118754afa979c2ad445938a',
  },
  {
    file: 'qemu-iotests/iotest-dynamic-1G.vhdx.bz2',
    sha256: 'd3d112d8dab7fd360609f7d5a7b769904b7a2a7d7b6b8c535f65a23293c05478',
  },
  {
    file: 'qemu-iotests/iotest-dirtylog-10G-4M.vhdx.bz2',
    sha256: '179cefe8b0587f123393eedf2aa7aa8d25798591178e6bc3950a09762f38f96f',
  },
  {
    file: 'qemu-iotests/d2v-zerofilled.vhd.bz2',
    sha256: '1ba076be94a8a64541c25aae8d5a5f8b0da758c3797af597e03acb431ff8d143',
  },
];

/** The disk as a file named as its child knows it. */
async function unpackAll({ file, parent }: Sample, folder: string): Promise<string> {
  if (parent) await unpack(parent, folder);
  return await unpack(file, folder);
}

for (const sample of samples) {
  test(`${sample.file}: hash, chain, and what becomes of it in qcow2`, { skip }, () =>
    withFolder(async (folder) => {
      const path = await unpackAll(sample, folder);
      assert.equal(await probeFormat(path), sample.file.includes('.vhdx') ? 'vhdx' : 'vhd');
      const { layers, problem } = await inspectDisk(path);
      assert.equal(problem, undefined);
      assert.equal(layers.length, sample.parent ? 2 : 1);
      if (sample.parent) assert.equal(layers[1]!.proved, true);
      const { problems, chainProblem } = await checkDisk(path);
      assert.deepEqual([problems.filter(({ kind }) => kind === 'corruption'), chainProblem], [[], undefined]);
      if (sample.parent) await assertRejects(() => inspectForeign(path), 'disk.foreign-refused');
      else assert.equal((await inspectForeign(path)).info.sizeBytes, layers[0]!.info.sizeBytes);
      const proved = await inspectForeign(path, { provedParents: true });
      assert.deepEqual(
        proved.layers.map((layer) => layer.path),
        layers.map((layer) => layer.path),
      );
      assert.equal((await hashDisk(path)).sha256, sample.sha256);
      const converted = join(folder, 'converted.qcow2');
      await convertDisk(path, converted, { format: 'qcow2', extendedL2: true });
      assert.equal((await hashDisk(converted)).sha256, sample.sha256);
      const raw = join(folder, 'converted.raw');
      await convertDisk(path, raw, { format: 'raw' });
      await assertSame('qcow2', converted, 'raw', raw);
    }),
  );
}

for (const sample of samples.filter(({ parent }) => parent !== undefined)) {
  test(`${sample.file}: merged into its parent it is the same disk`, { skip }, () =>
    withFolder(async (folder) => {
      const path = await unpackAll(sample, folder);
      const { parent } = await mergeDisk(path);
      assert.equal((await hashDisk(parent)).sha256, sample.sha256);
      assert.deepEqual((await checkDisk(parent)).problems, []);
      assert.equal((await inspectDisk(parent)).layers.length, 1);
    }),
  );

  test(`${sample.file}: alone it says which parent is missing`, { skip }, () =>
    withFolder(async (folder) => {
      const path = await unpack(sample.file, folder);
      await assertRejects(() => hashDisk(path), 'disk.parent-missing');
      assert.equal((await inspectDisk(path)).problem?.code, 'disk.parent-missing');
    }),
  );
}

test('a dirty VHDX is hashed and converted without being changed', { skip }, () =>
  withFolder(async (folder) => {
    const path = await unpack('qemu-iotests/iotest-dirtylog-10G-4M.vhdx.bz2', folder);
    const before = await readFile(path);
    assert.equal((await inspectDisk(path)).layers[0]!.info.dirty, true);
    await convertDisk(path, join(folder, 'converted.vhd'), { format: 'vhd' });
    assert.ok(before.equals(await readFile(path)));
  }),
);

test('the empty disks have the size that their creator means', { skip }, () =>
  withFolder(async (folder) => {
    const sizes = { 'hyperv2012r2-dynamic': 136_365_211_648, 'virtualpc-dynamic': 136_363_130_880 };
    for (const [name, sizeBytes] of Object.entries(sizes)) {
      const path = await unpack(`qemu-iotests/${name}.vhd.bz2`, folder);
      const { info, allocatedBytes } = await inspectForeign(path);
      assert.deepEqual([info.sizeBytes, allocatedBytes], [sizeBytes, 0]);
    }
  }),
);

for (const file of ['dfvfs/image.vhd.gz', 'dfvfs/image-differential.vhd.gz']) {
  test(`${file} is refused for its checksum`, { skip }, () =>
    withFolder(async (folder) => {
      const path = await unpack(file, folder);
      await assertRejects(() => inspectForeign(path), 'disk.corrupt');
      await assertRejects(() => hashDisk(path), 'disk.corrupt');
    }),
  );
}
