/** Chains that are not what they should be: each is refused by its name. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { copyFile, link, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openChain } from './chain.ts';
import type { DiskFormat, ParentLink } from './disk.ts';
import { assertRejects, withFolder } from './disk-conformance.ts';
import { driverOf } from './drivers.ts';
import { createDisk } from './verbs/create-disk.ts';
import { inspectDisk } from './verbs/inspect-disk.ts';

const MiB = 2 ** 20;
const sizeBytes = 4 * MiB;

interface Pair {
  readonly parent: string;
  readonly child: string;
}

/** A parent with 'below' in its first sector, and a child with 'above' in its second. */
async function makePair(folder: string, format: DiskFormat): Promise<Pair> {
  const parent = join(folder, `parent.${format}`);
  const child = join(folder, `child.${format}`);
  await createDisk(parent, { format, sizeBytes });
  await write(parent, format, 'below', 0);
  await createDisk(child, { format, parent, parentFormat: format });
  await write(child, format, 'above', 512);
  return { parent, child };
}

async function write(path: string, format: DiskFormat, text: string, offset: number): Promise<void> {
  await using disk = await openChain(path, { readOnly: false, format });
  await disk.write(Buffer.from(text), offset);
}

async function assertReads(path: string): Promise<void> {
  await using disk = await openChain(path, { readOnly: true });
  const bytes = Buffer.alloc(1024);
  await disk.read(bytes, 0);
  assert.equal(bytes.toString('latin1', 0, 5), 'below');
  assert.equal(bytes.toString('latin1', 512, 517), 'above');
}

/** A qcow2 that names whatever it likes as its parent. */
async function qcow2Naming(path: string, parent: ParentLink): Promise<void> {
  await (await driverOf('qcow2').create(path, { sizeBytes, parent })).close();
}

function namingRaw(path: string): ParentLink {
  return { format: 'raw', paths: [{ kind: 'relative', path }] };
}

for (const format of ['qcow2', 'vhd', 'vhdx'] as const) {
  describe(`a chain of ${format}`, () => {
    test('reads through, also when both files moved to another folder', () =>
      withFolder(async (folder) => {
        await mkdir(join(folder, 'old'));
        const pair = await makePair(join(folder, 'old'), format);
        await assertReads(pair.child);
        await rename(join(folder, 'old'), join(folder, 'new'));
        await assertReads(join(folder, 'new', `child.${format}`));
      }));

    test('without its parent says which paths were tried', () =>
      withFolder(async (folder) => {
        const { parent, child } = await makePair(folder, format);
        await rm(parent);
        await assertRejects(() => openChain(child, { readOnly: true }), 'disk.parent-missing');
        const report = await inspectDisk(child);
        assert.equal(report.layers.length, 1);
        assert.equal(report.problem?.code, 'disk.parent-missing');
        assert.ok(report.problem?.message.includes(`parent.${format}`));
      }));

    test('finds a parent that moved into an allowed folder, if its identity proves it', () =>
      withFolder(async (folder) => {
        await mkdir(join(folder, 'vm'));
        await mkdir(join(folder, 'base'));
        const { parent, child } = await makePair(join(folder, 'vm'), format);
        await rename(parent, join(folder, 'base', `parent.${format}`));
        await assertRejects(() => openChain(child, { readOnly: true }), 'disk.parent-missing');
        const opened = openChain(child, { readOnly: true, allowedFolders: [join(folder, 'base')] });
        if (format === 'qcow2') return await assertRejects(() => opened, 'disk.parent-missing');
        await using disk = await opened;
        assert.equal(disk.layers.length, 2);
      }));

    test('is a circle if its files rest on each other', () =>
      withFolder(async (folder) => {
        const { parent, child } = await makePair(folder, format);
        // The child under its parent's name, by a second name of the same file.
        await rm(parent);
        await link(child, parent);
        await assertRejects(() => openChain(child, { readOnly: true }), 'disk.parent-cycle');
      }));
  });
}

test('a parent of VHDX that was written to since is refused, and the error says so', () =>
  withFolder(async (folder) => {
    const { parent, child } = await makePair(folder, 'vhdx');
    await write(parent, 'vhdx', 'changed', 4096);
    await assertRejects(() => openChain(child, { readOnly: true }), 'disk.parent-changed');
    await assertRejects(() => openChain(child, { readOnly: false }), 'disk.parent-changed');
    assert.equal((await inspectDisk(child)).problem?.code, 'disk.parent-changed');
  }));

for (const format of ['vhd', 'vhdx'] as const) {
  test(`another ${format} under the parent's name is not taken for it`, () =>
    withFolder(async (folder) => {
      const { parent, child } = await makePair(folder, format);
      await rm(parent);
      await createDisk(parent, { format, sizeBytes });
      await assertRejects(() => openChain(child, { readOnly: true }), 'disk.parent-changed');
    }));

  test(`the parent of a ${format} is found by its identity behind one of the same name`, () =>
    withFolder(async (folder) => {
      await mkdir(join(folder, 'moved'));
      const { parent, child } = await makePair(folder, format);
      await rename(parent, join(folder, 'moved', `parent.${format}`));
      await createDisk(parent, { format, sizeBytes });
      await using disk = await openChain(child, { readOnly: true, allowedFolders: [join(folder, 'moved')] });
      assert.equal(disk.layers[1]!.path.includes('/moved/'), true);
      assert.equal(disk.layers[1]!.proved, true);
    }));
}

test('a circle of three is found, and so is a disk that is its own parent', () =>
  withFolder(async (folder) => {
    const path = (name: string): string => join(folder, name);
    const naming = (name: string): ParentLink => ({
      format: 'qcow2',
      paths: [{ kind: 'relative', path: name }],
    });
    await qcow2Naming(path('a'), naming('b'));
    await qcow2Naming(path('b'), naming('c'));
    await qcow2Naming(path('c'), naming('a'));
    await qcow2Naming(path('self'), naming('self'));
    await assertRejects(() => openChain(path('a'), { readOnly: true }), 'disk.parent-cycle');
    await assertRejects(() => openChain(path('self'), { readOnly: true }), 'disk.parent-cycle');
  }));

test('a parent outside the allowed folders is not opened, whatever way leads there', () =>
  withFolder(async (folder) => {
    await mkdir(join(folder, 'vm'));
    const secret = join(folder, 'secret');
    await writeFile(secret, Buffer.alloc(sizeBytes, 0x5e));
    await symlink(secret, join(folder, 'vm', 'innocent'));
    for (const name of [secret, '../secret', 'innocent', './x/../../secret']) {
      const child = join(folder, 'vm', 'child.qcow2');
      await qcow2Naming(child, namingRaw(name));
      await assertRejects(() => openChain(child, { readOnly: true }), 'disk.parent-outside');
      await using allowed = await openChain(child, { readOnly: true, allowedFolders: [folder] });
      assert.equal(allowed.layers.length, 2);
      await rm(child);
    }
  }));

test('names with a protocol and links without a format are refused', () =>
  withFolder(async (folder) => {
    const child = join(folder, 'child.qcow2');
    for (const name of ['json:{"driver":"nbd"}', 'nbd://host/disk', 'file:base.raw', 'fat:rw:/tmp']) {
      await qcow2Naming(child, namingRaw(name));
      await assertRejects(() => openChain(child, { readOnly: true }), 'disk.parent-unnamed');
      await rm(child);
    }
    await writeFile(join(folder, 'base.raw'), Buffer.alloc(sizeBytes));
    await qcow2Naming(child, namingRaw('base.raw'));
    const bytes = await readFile(child);
    // The type of the extension that holds the format becomes one that nobody knows.
    bytes.writeUInt32BE(0x12345678, 112);
    await writeFile(child, bytes);
    await assertRejects(() => openChain(child, { readOnly: true }), 'disk.parent-unnamed');
  }));

test('a chain deeper than 256 files is refused', () =>
  withFolder(async (folder) => {
    await writeFile(join(folder, '0'), Buffer.alloc(sizeBytes));
    for (let index = 1; index <= 256; index += 1) {
      const format = index === 1 ? 'raw' : 'qcow2';
      await qcow2Naming(join(folder, `${index}`), {
        format,
        paths: [{ kind: 'relative', path: `${index - 1}` }],
      });
    }
    await assertRejects(() => openChain(join(folder, '256'), { readOnly: true }), 'disk.chain-too-deep');
    await using disk = await openChain(join(folder, '255'), { readOnly: true });
    assert.equal(disk.layers.length, 256);
  }));

test("Windows' paths are looked for beside the child, whatever their case", () =>
  withFolder(async (folder) => {
    await writeFile(join(folder, 'Base Disk.raw'), Buffer.alloc(sizeBytes, 7));
    const paths = [
      { kind: 'relative', path: '.\\BASE DISK.RAW' },
      { kind: 'absolute', path: 'C:\\Hyper-V\\base disk.raw' },
      { kind: 'volume', path: '\\\\?\\Volume{26a21bda-a627-11d7-9931-806e6f6e6963}\\Hyper-V\\base disk.raw' },
    ] as const;
    for (const path of paths) {
      const child = join(folder, 'child.qcow2');
      await qcow2Naming(child, { format: 'raw', paths: [path] });
      await using disk = await openChain(child, { readOnly: true });
      const bytes = Buffer.alloc(1);
      await disk.read(bytes, 0);
      assert.equal(bytes[0], 7);
      await rm(child);
    }
  }));

test('a parent that is shorter than its child reads as zero behind its end', () =>
  withFolder(async (folder) => {
    await writeFile(join(folder, 'base.raw'), Buffer.alloc(MiB, 7));
    const child = join(folder, 'child.qcow2');
    await qcow2Naming(child, namingRaw('base.raw'));
    await using disk = await openChain(child, { readOnly: false });
    await disk.write(Buffer.alloc(10, 1), MiB - 5);
    const bytes = Buffer.alloc(2 * MiB);
    await disk.read(bytes, 0);
    const expected = Buffer.alloc(2 * MiB);
    expected.fill(7, 0, MiB);
    expected.fill(1, MiB - 5, MiB + 5);
    assert.ok(bytes.equals(expected));
  }));

test('a child that fails to open its parent leaves no file open and no file behind', () =>
  withFolder(async (folder) => {
    const { parent, child } = await makePair(folder, 'vhdx');
    await copyFile(child, join(folder, 'copy.vhdx'));
    await rm(parent);
    const before = (await readdir('/proc/self/fd')).length;
    for (let index = 0; index < 5; index += 1) {
      await assertRejects(() => openChain(child, { readOnly: true }), 'disk.parent-missing');
    }
    assert.equal((await readdir('/proc/self/fd')).length, before);
    const refused = createDisk(join(folder, 'grandchild.vhdx'), { format: 'vhdx', parent: child });
    await assertRejects(() => refused, 'disk.parent-missing');
    assert.deepEqual((await readdir(folder)).sort(), ['child.vhdx', 'copy.vhdx']);
  }));
