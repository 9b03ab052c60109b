/** What Corral writes, QEMU opens: checked and compared by qemu-img. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openChain } from '@corral/disk/chain';
import { type DiskFormat, diskFormats } from '@corral/disk/disk';
import { DiskModel, operations } from '@corral/disk/disk-model';
import { driverOf } from '@corral/disk/drivers';
import { createQcow2File, openQcow2File } from '@corral/disk/qcow2/driver';
import { buildChain, chainSpec } from '@corral/disk/random-chain';
import { convertDisk } from '@corral/disk/verbs/convert-disk';
import { type CreateDiskOptions, createDisk } from '@corral/disk/verbs/create-disk';
import { compactDisk, resizeDisk } from '@corral/disk/verbs/resize-disk';
import fc from 'fast-check';
import { Content, CrashFile, crashStates, seededRandom } from '../vhdx/crash-file.ts';
import { randomSession, DiskModel as SectorModel } from '../vhdx/crash-model.ts';
import { assertClean, assertSame, qemuFormat, qemuImg, withFolder } from './qemu-img.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

type Options = Omit<CreateDiskOptions, 'format' | 'sizeBytes'>;

const kinds: readonly { readonly format: DiskFormat; readonly options: Options }[] = [
  { format: 'qcow2', options: {} },
  { format: 'qcow2', options: { blockBytes: 512 } },
  { format: 'qcow2', options: { blockBytes: 2 * MiB } },
  { format: 'qcow2', options: { extendedL2: true } },
  { format: 'qcow2', options: { blockBytes: 16 * KiB, extendedL2: true } },
  { format: 'vhd', options: {} },
  { format: 'vhd', options: { variant: 'fixed' } },
  { format: 'vhdx', options: { logicalSectorBytes: 512 } },
  { format: 'vhdx', options: { blockBytes: MiB } },
  { format: 'vhdx', options: { variant: 'fixed' } },
];

for (const { format, options } of kinds) {
  test(`${format} ${JSON.stringify(options)}: random writes, resize and compact satisfy qemu-img`, () =>
    withFolder(async (folder) => {
      const path = join(folder, 'disk');
      const raw = join(folder, 'raw');
      const sizeBytes = 6 * MiB;
      const judge = async (content: Uint8Array): Promise<void> => {
        await writeFile(raw, content);
        // qemu-img has no check for VHD; comparing reads all of it.
        if (format !== 'vhd') await assertClean(format, path);
        await assertSame(format, path, 'raw', raw);
      };
      await createDisk(path, { ...options, format, sizeBytes });
      let content: Uint8Array = new Uint8Array(sizeBytes);
      await judge(content);
      {
        await using disk = await openChain(path, { readOnly: false, format });
        const model = new DiskModel(disk.info);
        for (const operation of fc.sample(operations, { numRuns: 5, seed: 3 }).flat()) {
          const { offset, length } = model.place(operation);
          if (operation.kind === 'write') await disk.write(model.pattern(operation.seed, length), offset);
          else if (operation.kind === 'zero') await disk.zero(offset, length);
          model.apply(operation);
        }
        content = model.content;
      }
      await judge(content);
      await compactDisk(path, { format });
      await judge(content);
      await resizeDisk(path, 9 * MiB, { format });
      await judge(Buffer.concat([content, Buffer.alloc(3 * MiB)]));
      await resizeDisk(path, 2 * MiB, { format, shrink: true });
      await judge(content.subarray(0, 2 * MiB));
    }));
}

test('what is converted from chains of every kind reads the same in QEMU', async () => {
  const property = fc.asyncProperty(chainSpec(4), (spec) =>
    withFolder(async (folder) => {
      const { top, content } = await buildChain(folder, spec);
      const raw = join(folder, 'expected.raw');
      await writeFile(raw, content);
      for (const format of diskFormats) {
        const target = join(folder, `converted.${format}`);
        // QEMU opens no VHDX with sectors of 4096 bytes.
        const logicalSectorBytes = format === 'vhdx' ? 512 : undefined;
        await convertDisk(top, target, {
          source: { format: spec.layers.at(-1)!.format },
          format,
          logicalSectorBytes,
        });
        await assertSame(format, target, 'raw', raw);
      }
    }),
  );
  await fc.assert(property, { numRuns: 6 });
});

test('a chain of qcow2 on any base reads the same in QEMU, parents and all', () =>
  withFolder(async (folder) => {
    for (const base of diskFormats) {
      const bottom = join(folder, `base.${base}`);
      await createDisk(bottom, { format: base, sizeBytes: 4 * MiB });
      await using below = await driverOf(base).open(bottom, { readOnly: false });
      await below.write(Buffer.alloc(3 * MiB, 0x11), 1000);
      await below.close();
      const top = join(folder, `top-${base}.qcow2`);
      await createDisk(top, { format: 'qcow2', parent: bottom, parentFormat: base, extendedL2: true });
      await using disk = await openChain(top, { readOnly: false });
      await disk.write(Buffer.alloc(70_001, 0x22), 99_999);
      await disk.zero(2 * MiB - 7, 300_000);
      const content = Buffer.alloc(4 * MiB);
      await disk.read(content, 0);
      await disk.close();
      await writeFile(join(folder, 'expected'), content);
      await assertClean('qcow2', top);
      await assertSame('qcow2', top, 'raw', join(folder, 'expected'));
      const info: unknown = JSON.parse(await qemuImg('info', '-f', 'qcow2', '--output=json', top));
      const { 'backing-filename': name, 'backing-filename-format': kind } = info as Record<string, string>;
      assert.deepEqual([name, kind], [`base.${base}`, qemuFormat(base)]);
    }
  }));

test('a VHD has its exact size, and QEMU trusts it', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'disk.vhd');
    await createDisk(path, { format: 'vhd', sizeBytes: 10_240_000 });
    const info: unknown = JSON.parse(await qemuImg('info', '-f', 'vpc', '--output=json', path));
    assert.equal((info as Record<string, number>)['virtual-size'], 10_240_000);
  }));

test('after a power cut qemu-img finds leaks at worst', () =>
  withFolder(async (folder) => {
    const random = seededRandom(99);
    const file = new CrashFile(new Content());
    const options = { sizeBytes: 1000 * KiB, blockBytes: 16 * KiB, extendedL2: true };
    await (await createQcow2File(file, options)).close();
    const base = file.content.copy();
    file.operations.length = 0;
    const disk = await openQcow2File(file, { readOnly: false });
    const model = new SectorModel(file, options.sizeBytes / 512);
    await randomSession(model, disk, random, { steps: 60, blockSectors: 32 });
    await disk.close();
    const path = join(folder, 'left.qcow2');
    for (const { content } of crashStates(base, file.operations, random, () => random() < 0.05)) {
      const bytes = Buffer.alloc(content.length);
      content.read(bytes, 0);
      await writeFile(path, bytes);
      // 0: clean. 3: leaks and nothing else.
      const code = await qemuImg('check', '-f', 'qcow2', path).then(
        () => 0,
        (cause: { code: number }) => cause.code,
      );
      assert.ok(code === 0 || code === 3, `qemu-img check ended with ${code}`);
    }
  }));
