/**
 * A VM whose disks come from chains of foreign files and whose older states are its checkpoints: each has the content
 * of its file, bit for bit, whatever is applied, merged or registered afterwards. The VM is off; nothing boots.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, rename, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Client } from '@corral/api/client.gen';
import { type DiskSettings, VmSettings } from '@corral/api/schemas/vm-settings';
import { openChain } from '@corral/disk/chain';
import { ChainDisk } from '@corral/disk/chain-disk';
import type { Disk, DiskFormat } from '@corral/disk/disk';
import { openLayer } from '@corral/disk/drivers';
import { createDisk } from '@corral/disk/verbs/create-disk';
import { hashContent, hashDisk } from '@corral/disk/verbs/hash-disk';
import { chainOf } from '@corral/host/chain/chain';
import { CheckpointFile } from '@corral/host/checkpoint/checkpoint-files';
import { nothingLeftOver } from '../crash/invariants.ts';
import { qemuImg, withFolder } from '../disk/qemu-img.ts';
import { eventually, succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';
import { samplesMissing, unpack } from '../vhdx/shared-samples.ts';

const MiB = 2 ** 20;
const sector = 512;
/** What an overlay of ours can hold by itself. */
const grainBytes = 2048;

interface Level {
  readonly name: string;
  readonly format: DiskFormat;
  readonly sizeBytes: number;
  readonly write: (disk: Disk, pattern: Buffer) => Promise<void>;
}

/** Single sectors, whole blocks, zeros over what is below, and a disk that grew. */
const levels: readonly Level[] = [
  {
    name: 'base.vhdx',
    format: 'vhdx',
    sizeBytes: 24 * MiB + 3 * sector,
    write: async (disk, pattern) => {
      await disk.write(pattern, 0);
      await disk.write(pattern, 9 * MiB + sector);
      await disk.write(pattern.subarray(0, 3 * sector), 24 * MiB);
    },
  },
  {
    name: 'before update.avhdx',
    format: 'vhdx',
    sizeBytes: 24 * MiB + 3 * sector,
    write: async (disk, pattern) => {
      for (const at of [1, 2, 7, 100, 18_500]) await disk.write(pattern.subarray(0, sector), at * sector);
      await disk.zero(10 * sector, sector);
    },
  },
  {
    name: 'after.qcow2',
    format: 'qcow2',
    sizeBytes: 32 * MiB,
    write: async (disk, pattern) => {
      await disk.zero(9 * MiB, 65_536);
      await disk.write(pattern, 30 * MiB);
    },
  },
  {
    name: 'now.qcow2',
    format: 'qcow2',
    sizeBytes: 32 * MiB,
    write: async (disk, pattern) => {
      await disk.write(pattern.subarray(0, 70_001), 3 * MiB + 5);
    },
  },
];

/** @returns the files, the lowest first */
async function makeForeign(folder: string, wanted = levels): Promise<string[]> {
  await mkdir(folder);
  const paths: string[] = [];
  for (const [index, { name, format, sizeBytes, write }] of wanted.entries()) {
    const path = join(folder, name);
    await createDisk(path, { format, sizeBytes, ...(index > 0 ? { parent: paths[index - 1]! } : {}) });
    await using disk = await openChain(path, { readOnly: false });
    await write(disk, Buffer.alloc(MiB, index + 1));
    paths.push(path);
  }
  return paths;
}

async function hashesOf(paths: readonly string[]): Promise<string[]> {
  const hashes: string[] = [];
  for (const path of paths) hashes.push((await hashDisk(path)).sha256);
  return hashes;
}

class KeptVm {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  present(disk = 0): DiskSettings {
    return VmSettings.parse(JSON.parse(readFileSync(join(this.folder, 'vm.json'), 'utf8'))).disks[disk]!;
  }

  file(id: string): CheckpointFile {
    const text = readFileSync(join(this.folder, 'checkpoints', id, 'checkpoint.json'), 'utf8');
    return CheckpointFile.parse(JSON.parse(text));
  }

  /** As the records have it: no header is followed. */
  async open(disk: DiskSettings): Promise<ChainDisk> {
    const layers = chainOf(disk).map(async ({ path, format }) => {
      const file = join(this.folder, path);
      return { path: file, disk: await openLayer(file, { format, readOnly: true }) };
    });
    return new ChainDisk(await Promise.all(layers));
  }

  async hash(disk: DiskSettings): Promise<string> {
    await using chain = await this.open(disk);
    return await hashContent(chain);
  }

  hashOf(id: string, disk = 0): Promise<string> {
    return this.hash(this.file(id).checkpoint.settings.disks[disk]!);
  }

  /** Each file by itself: what lies below, the records say. */
  async assertClean(): Promise<void> {
    for (const name of readdirSync(join(this.folder, 'disks'))) {
      const filename = join(this.folder, 'disks', name);
      const layer = { driver: 'qcow2', backing: null, file: { driver: 'file', filename } };
      await qemuImg('check', '-q', `json:${JSON.stringify(layer)}`);
    }
  }
}

const machine = { name: 'a', memoryBytes: 64 * MiB, keepCheckpoints: true } as const;

/** @param files by disk, the topmost of each */
async function createKept(
  host: TestHost,
  files: Readonly<Record<string, string>>,
  name = 'a',
): Promise<KeptVm> {
  const { client, data } = host;
  const disks = Object.entries(files).map(([disk, from]) => ({ name: disk, from }));
  await succeeded(client, client.vm.create({ ...machine, name, disks }));
  return new KeptVm(join(data, 'vms', (await client.vm.show(name)).id));
}

async function removeVm(client: Client, name = 'a'): Promise<void> {
  await succeeded(client, client.vm.delete(name, { ifMatch: '*' }));
}

/** Which grains a layer says nothing of. */
async function holes(disk: Pick<Disk, 'extents' | 'info'>): Promise<boolean[]> {
  const { sizeBytes } = disk.info;
  const empty = new Array<boolean>(Math.ceil(sizeBytes / grainBytes)).fill(true);
  for await (const { kind, offset, length } of disk.extents({ offset: 0, length: sizeBytes })) {
    if (kind === 'hole') continue;
    empty.fill(false, Math.floor(offset / grainBytes), Math.ceil((offset + length) / grainBytes));
  }
  return empty;
}

describe('a VM that keeps the checkpoints of foreign files', () => {
  let host: TestHost;
  before(async () => {
    host = await TestHost.start();
  });
  after(() => host[Symbol.asyncDispose]());

  it('has each state of a chain of four in mixed formats: listed, applied, merged, registered', async () => {
    const { client, data } = host;
    const paths = await makeForeign(join(data, 'mixed'));
    const wanted = await hashesOf(paths);
    await utimes(paths[2]!, new Date(), new Date('2025-05-05T05:05:05Z'));
    const top = paths.at(-1)!;
    const vm = await createKept(host, { system: top });
    assert.deepEqual(await hashesOf(paths), wanted, 'the sources are as they were');

    const { items, present } = await client.checkpoint.list('a');
    assert.deepEqual(
      items.map(({ name }) => name),
      ['base', 'before-update', 'after'],
    );
    assert.deepEqual(
      items.map(({ parentId }) => parentId),
      [null, items[0]!.id, items[1]!.id],
    );
    assert.equal(present.parentId, items[2]!.id);
    assert.equal(items[2]!.createdAt, '2025-05-05T05:05:05.000Z');
    for (const { type, askedType, consistency, state, reason } of items) {
      assert.deepEqual([type, askedType, consistency, state], ['production', 'production', 'crash', 'off']);
      assert.match(reason!, /copied from/);
    }
    for (const [index, { id }] of items.entries()) {
      assert.equal(await vm.hashOf(id), wanted[index], `the content of ${items[index]!.name}`);
      const { sizeBytes } = vm.file(id).checkpoint.settings.disks[0]!;
      assert.equal(sizeBytes, levels[index]!.sizeBytes);
    }
    assert.equal(await vm.hash(vm.present()), wanted[3]);
    await vm.assertClean();
    await assertSameHoles(vm, paths);
    await assertQemuReads(vm, top, wanted);
    assert.deepEqual((await client.volume.check('local')).findings, []);
    await nothingLeftOver(client, data, host.daemonPid);

    // Its folder alone brings all of it back.
    await assertRegisters(vm, wanted);

    await succeeded(client, client.checkpoint.delete('a', 'before-update'));
    await eventually(
      'the layer that has no name is merged',
      () => Promise.resolve(readdirSync(join(vm.folder, 'disks')).length),
      (count) => count === 3,
    );
    assert.equal(await vm.hashOf(items[0]!.id), wanted[0]);
    assert.equal(await vm.hashOf(items[2]!.id), wanted[2]);
    assert.equal(await vm.hash(vm.present()), wanted[3]);

    await succeeded(client, client.checkpoint.apply('a', 'base', { present: 'discard' }));
    assert.equal(await vm.hash(vm.present()), wanted[0]);
    assert.equal((await client.vm.show('a')).disks[0]!.sizeBytes, levels[0]!.sizeBytes);
    await succeeded(client, client.checkpoint.apply('a', 'after', { present: 'discard' }));
    assert.equal(await vm.hash(vm.present()), wanted[2]);
    await vm.assertClean();
    await nothingLeftOver(client, data, host.daemonPid);
    await removeVm(client);
  });

  /** A layer of ours says something exactly where the foreign one does, to the grain. */
  async function assertSameHoles(vm: KeptVm, paths: readonly string[]): Promise<void> {
    for (const [level, { path }] of chainOf(vm.present()).slice(0, -1).entries()) {
      const source = paths.at(-1 - level)!;
      await using foreign = await openLayer(source, { readOnly: true });
      await using ours = await openLayer(join(vm.folder, path), { format: 'qcow2', readOnly: true });
      assert.deepEqual(await holes(ours), await holes(foreign), source);
    }
  }

  /** QEMU follows the headers; they name the right files. */
  async function assertQemuReads(vm: KeptVm, top: string, wanted: readonly string[]): Promise<void> {
    const raw = join(host.data, 'present.raw');
    await qemuImg('convert', '-f', 'qcow2', '-O', 'raw', join(vm.folder, vm.present().path), raw);
    assert.equal((await hashDisk(raw, { format: 'raw' })).sha256, wanted.at(-1), basename(top));
  }

  async function assertRegisters(vm: KeptVm, wanted: readonly string[]): Promise<void> {
    const { client } = host;
    const request = { directory: vm.folder, copy: true, newId: true, name: 'b' };
    await succeeded(client, client.vm.register(request));
    const copy = new KeptVm(join(host.data, 'vms', (await client.vm.show('b')).id));
    const { items, present } = await client.checkpoint.list('b');
    assert.equal(present.parentId, items.at(-1)!.id);
    for (const [index, { id }] of items.entries()) assert.equal(await copy.hashOf(id), wanted[index]);
    assert.equal(await copy.hash(copy.present()), wanted.at(-1));
    await removeVm(client, 'b');
  }

  it('takes several disks whose files agree in number, and applies them together', async () => {
    const { client, data } = host;
    const system = await makeForeign(join(data, 'system'), levels.slice(0, 2));
    const vhds = levels
      .slice(0, 2)
      .map((level) => ({ ...level, name: `log ${level.name}`, format: 'vhd' as const }));
    const log = await makeForeign(join(data, 'log'), vhds);
    const vm = await createKept(host, { system: system[1]!, log: log[1]! });
    const { items } = await client.checkpoint.list('a');
    assert.deepEqual(
      items.map(({ name }) => name),
      ['base'],
    );
    await succeeded(client, client.checkpoint.apply('a', 'base', { present: 'discard' }));
    assert.equal(await vm.hash(vm.present(0)), (await hashDisk(system[0]!)).sha256);
    assert.equal(await vm.hash(vm.present(1)), (await hashDisk(log[0]!)).sha256);
    await removeVm(client);
  });

  it('enlarges the newest state alone', async () => {
    const { client, data } = host;
    const paths = await makeForeign(join(data, 'small'), levels.slice(0, 2));
    const disks = [{ name: 'system', from: paths[1]!, sizeBytes: 48 * MiB }];
    await succeeded(client, client.vm.create({ ...machine, disks }));
    const vm = new KeptVm(join(data, 'vms', (await client.vm.show('a')).id));
    await using chain = await vm.open(vm.present());
    assert.equal(chain.info.sizeBytes, 48 * MiB);
    const [base] = (await client.checkpoint.list('a')).items;
    assert.equal(await vm.hashOf(base!.id), (await hashDisk(paths[0]!)).sha256);
    await removeVm(client);
  });

  it('is refused before anything is made: unequal disks, a parent that is missing, changed or raw', async () => {
    const { client, data } = host;
    const four = await makeForeign(join(data, 'four'));
    const two = await makeForeign(join(data, 'two'), levels.slice(0, 2));
    const refused = (disks: Parameters<Client['vm']['create']>[0]['disks'], code: string): Promise<void> =>
      assert.rejects(client.vm.create({ ...machine, disks: disks! }), { code });
    const a = { name: 'a', from: four[3]! };
    await refused([a, { name: 'b', from: two[1]! }], 'vm.chains-differ');
    await refused([a, { name: 'b', sizeBytes: MiB }], 'vm.chains-differ');
    await refused([{ name: 'b', from: two[0]! }], 'vm.nothing-to-keep');
    await refused([{ ...a, format: 'raw' }], 'vm.bad-disk');

    const secret = join(data, 'secret');
    await writeFile(secret, Buffer.alloc(MiB, 's'));
    const child = join(data, 'child.qcow2');
    await createDisk(child, { format: 'qcow2', parent: secret, parentFormat: 'raw' });
    await refused([{ name: 'a', from: child }], 'disk.foreign-refused');

    await rename(two[0]!, `${two[0]}.moved`);
    await refused([{ name: 'a', from: two[1]! }], 'disk.parent-missing');
    await createDisk(two[0]!, { format: 'vhdx', sizeBytes: levels[0]!.sizeBytes });
    await refused([{ name: 'a', from: two[1]! }], 'disk.parent-changed');
    assert.deepEqual((await client.vm.list({})).items, []);
    await nothingLeftOver(client, data, host.daemonPid);
  });

  for (const { child, parent, hashes } of samples()) {
    it(`has both states of ${child}`, { skip: samplesMissing }, async () => {
      const { client, data } = host;
      const folder = join(data, child);
      await unpack(`dfvfs/${parent}.gz`, folder);
      const path = await unpack(`dfvfs/${child}.gz`, folder);
      const vm = await createKept(host, { system: path });
      const [base] = (await client.checkpoint.list('a')).items;
      assert.equal(base!.name, parent.replace(/\.vhdx?$/, ''));
      // Of these only the differencing VHDs say when they were put on their parents: in 2020.
      assert.equal(base!.createdAt < '2022', child.endsWith('.vhd'), base!.createdAt);
      assert.deepEqual([await vm.hashOf(base!.id), await vm.hash(vm.present())], hashes);
      await vm.assertClean();
      await succeeded(client, client.checkpoint.apply('a', base!.name, { present: 'discard' }));
      assert.equal(await vm.hash(vm.present()), hashes[0]);
      await removeVm(client);
    });
  }
});

describe('the space for a disk that comes from a chain', () => {
  it('is checked for all of its files before anything is made', async () => {
    await using host = await TestHost.start({ volumeBytes: 64 * MiB });
    const { client, data } = host;
    await withFolder(async (folder) => {
      const paths = await makeForeign(join(folder, 'large'), [
        {
          name: 'base.vhdx',
          format: 'vhdx',
          sizeBytes: 128 * MiB,
          write: async (disk, pattern) => {
            for (let at = 0; at < 80; at += 1) await disk.write(pattern, at * MiB);
          },
        },
        { ...levels[1]!, sizeBytes: 128 * MiB },
      ]);
      const disks = [{ name: 'system', from: paths[1]! }];
      for (const keepCheckpoints of [true, false]) {
        const code = 'volume.below-reserve';
        await assert.rejects(client.vm.create({ ...machine, disks, keepCheckpoints }), { code });
      }
      await nothingLeftOver(client, data, host.daemonPid);
    });
  });
});

/** With what others computed of them: of the parent, and of the child on it. */
function samples() {
  return [
    {
      child: 'ntfs-differential.vhdx',
      parent: 'ntfs-parent.vhdx',
      hashes: [
        'c5523065bc6ef82267be56c5f8888e2876ead8ba7edba2a65a3da8b076231b68',
        '1ef1fb5360247aa7d36a38415bc7bf6e1e52f62af5e6bd1283815e82584c7efc',
      ],
    },
    {
      child: 'fat-differential.vhdx',
      parent: 'fat-parent.vhdx',
      hashes: [
        '2d1954fec68faefe81dd3687282a9b387bf8417f6d2cf0da3825fa1445b64cfb',
        'a538161f34bc44c12bf9a542ce9218741c62728723ea18d0e4f6ea92e9f32e93',
      ],
    },
    {
      child: 'ntfs-differential.vhd',
      parent: 'ntfs-parent.vhd',
      hashes: [
        'c91d1766dd4b3327f33a082cbf958d3566dd84a3d71c2473a5ae6155e53171de',
        'b7922a46a6b08fa4f4fc0c51a25d5587d1d49f15cfade45ca740dd07110ae144',
      ],
    },
    {
      child: 'fat-differential.vhd',
      parent: 'fat-parent.vhd',
      hashes: [
        'bbdb657bc5aa2fde44e2456149f9257a862cb84f4668e338b90e357b0fbdf118',
        'f4b61a33ee2f7e8c19f737792a4107e46340026a9a829e4169b751901cc3ef02',
      ],
    },
  ];
}
