/** What verbs refuse, and what they leave behind when they do: nothing. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { appendFile, readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openChain } from '../chain.ts';
import type { DiskFormat, Progress } from '../disk.ts';
import { assertRejects, withFolder } from '../disk-conformance.ts';
import { inspectForeign } from '../inspect-foreign.ts';
import { convertDisk } from './convert-disk.ts';
import { createDisk } from './create-disk.ts';
import { hashContent, hashDisk } from './hash-disk.ts';
import { inspectDisk } from './inspect-disk.ts';
import { mergeDisk } from './merge-disk.ts';
import { resizeDisk } from './resize-disk.ts';

const MiB = 2 ** 20;
const TiB = 2 ** 40;

async function fill(
  path: string,
  format: DiskFormat,
  byte: number,
  offset: number,
  length: number,
): Promise<void> {
  await using disk = await openChain(path, { readOnly: false, format });
  await disk.write(Buffer.alloc(length, byte), offset);
}

async function threeLayers(folder: string, format: DiskFormat): Promise<readonly [string, string, string]> {
  const paths = ['base', 'middle', 'top'].map((name) => join(folder, `${name}.${format}`)) as [
    string,
    string,
    string,
  ];
  await createDisk(paths[0], { format, sizeBytes: 40 * MiB });
  await fill(paths[0], format, 1, 0, 10 * MiB);
  await createDisk(paths[1], { format, parent: paths[0] });
  await fill(paths[1], format, 2, 5 * MiB, 20 * MiB);
  await createDisk(paths[2], { format, parent: paths[1] });
  await fill(paths[2], format, 3, 7 * MiB + 3, 12 * MiB);
  return paths;
}

describe('convert', () => {
  test('refuses before the work what the target cannot be', () =>
    withFolder(async (folder) => {
      const source = join(folder, 'source.qcow2');
      await createDisk(source, { format: 'qcow2', sizeBytes: 3 * TiB });
      const target = join(folder, 'target');
      await assertRejects(() => convertDisk(source, target, { format: 'vhd' }), 'disk.size-unsupported');
      const refused = { format: 'qcow2', blockBytes: 1000 } as const;
      await assertRejects(() => convertDisk(source, target, refused), 'disk.unsupported-option');
      await writeFile(target, 'mine');
      await assertRejects(() => convertDisk(source, target, { format: 'qcow2' }), 'disk.exists');
      const nowhere = join(folder, 'missing', 'target');
      await assertRejects(() => convertDisk(source, nowhere, { format: 'qcow2' }), 'disk.not-found');
      assert.deepEqual((await readdir(folder)).sort(), ['source.qcow2', 'target']);
    }));

  test('leaves nothing behind when it is stopped, or when its source is damaged', () =>
    withFolder(async (folder) => {
      const source = join(folder, 'source.qcow2');
      await createDisk(source, { format: 'qcow2', sizeBytes: 64 * MiB });
      await fill(source, 'qcow2', 1, 0, 30 * MiB);
      const stop = new AbortController();
      const onProgress = (): void => stop.abort(new Error('stop'));
      const target = join(folder, 'target');
      for (const format of ['raw', 'qcow2', 'vhd', 'vhdx'] as const) {
        const stopped = convertDisk(source, target, { format, signal: stop.signal, onProgress });
        await assert.rejects(stopped, /stop/);
      }
      await truncate(source, 20 * MiB);
      await assertRejects(() => convertDisk(source, target, { format: 'raw' }), 'disk.corrupt');
      assert.deepEqual(await readdir(folder), ['source.qcow2']);
    }));

  test('tells its progress without going back, to the end', () =>
    withFolder(async (folder) => {
      const source = join(folder, 'source');
      await writeFile(source, Buffer.alloc(20 * MiB, 5));
      const seen: Progress[] = [];
      const onProgress = (progress: Progress): void => void seen.push(progress);
      const report = await convertDisk(source, join(folder, 'target'), { format: 'qcow2', onProgress });
      assert.deepEqual(seen.at(-1), { doneBytes: 20 * MiB, totalBytes: 20 * MiB });
      assert.ok(seen.every(({ doneBytes }, index) => index === 0 || doneBytes >= seen[index - 1]!.doneBytes));
      assert.equal(report.writtenBytes, 20 * MiB);
    }));

  test('leaves zeros out, and adds what a whole sector needs', () =>
    withFolder(async (folder) => {
      const source = join(folder, 'source');
      await writeFile(source, Buffer.alloc(8 * MiB));
      await appendFile(source, 'end');
      const target = join(folder, 'target');
      const report = await convertDisk(source, target, { format: 'qcow2' });
      assert.equal(report.sizeBytes, 8 * MiB + 512);
      assert.equal(report.paddedBytes, 509);
      assert.ok(report.writtenBytes <= 4096);
      assert.equal((await inspectDisk(target)).layers[0]!.info.sizeBytes, 8 * MiB + 512);
    }));

  test('of one layer keeps its holes, and its zeros over the parent', () =>
    withFolder(async (folder) => {
      const base = join(folder, 'base.vhdx');
      const child = join(folder, 'child.avhdx');
      await createDisk(base, { format: 'vhdx', sizeBytes: 8 * MiB });
      await fill(base, 'vhdx', 1, 0, 8 * MiB);
      await createDisk(child, { format: 'vhdx', parent: base });
      await fill(child, 'vhdx', 2, 3 * MiB, 5000);
      {
        await using disk = await openChain(child, { readOnly: false });
        await disk.zero(5 * MiB, MiB);
      }
      const newBase = join(folder, 'base.qcow2');
      const newChild = join(folder, 'child.qcow2');
      await convertDisk(base, newBase, { format: 'qcow2' });
      const parent = { format: 'qcow2', paths: [{ kind: 'relative', path: 'base.qcow2' }] } as const;
      const options = { format: 'qcow2', parent, extendedL2: true } as const;
      const { writtenBytes } = await convertDisk(child, newChild, options);
      assert.ok(writtenBytes < 10_000);
      assert.equal((await inspectDisk(newChild)).layers.length, 2);
      assert.equal((await hashDisk(newChild)).sha256, (await hashDisk(child)).sha256);
    }));
});

describe('create', () => {
  test('takes the size of the parent, and refuses what makes no sense', () =>
    withFolder(async (folder) => {
      const base = join(folder, 'base.raw');
      await createDisk(base, { format: 'raw', sizeBytes: 5 * MiB });
      const info = await createDisk(join(folder, 'child'), { format: 'qcow2', parent: base });
      assert.equal(info.sizeBytes, 5 * MiB);
      assert.equal(info.variant, 'differencing');
      const path = join(folder, 'no');
      await assertRejects(() => createDisk(path, { format: 'qcow2' }), 'disk.unsupported-option');
      await assertRejects(() => createDisk(path, { format: 'raw', parent: base }), 'disk.unsupported-option');
      await assertRejects(
        () => createDisk(path, { format: 'vhdx', parent: base }),
        'disk.unsupported-option',
      );
      await assertRejects(
        () => createDisk(path, { format: 'qcow2', sizeBytes: 100 }),
        'disk.size-unsupported',
      );
      const missing = { format: 'qcow2', parent: join(folder, 'nothing') } as const;
      await assertRejects(() => createDisk(path, missing), 'disk.not-found');
      assert.deepEqual((await readdir(folder)).sort(), ['base.raw', 'child']);
    }));
});

describe('merge', () => {
  test('refuses a disk on which others rest, and a parent with other children', () =>
    withFolder(async (folder) => {
      const [base, middle] = await threeLayers(folder, 'vhdx');
      await assertRejects(() => mergeDisk(base), 'disk.not-differencing');
      await assertRejects(() => mergeDisk(middle), 'disk.in-use-as-parent');
      const sibling = join(folder, 'sibling.vhdx');
      await createDisk(sibling, { format: 'vhdx', parent: middle });
      await assertRejects(() => mergeDisk(sibling), 'disk.in-use-as-parent');
    }));

  test('refuses a parent that is longer', () =>
    withFolder(async (folder) => {
      const base = join(folder, 'base.qcow2');
      const child = join(folder, 'child.qcow2');
      await createDisk(base, { format: 'qcow2', sizeBytes: 8 * MiB });
      await createDisk(child, { format: 'qcow2', parent: base, sizeBytes: 4 * MiB });
      await assertRejects(() => mergeDisk(child), 'disk.parent-mismatch');
    }));

  test('makes a shorter parent as long as the disk', () =>
    withFolder(async (folder) => {
      const [, middle, top] = await threeLayers(folder, 'qcow2');
      await resizeDisk(top, 60 * MiB);
      await fill(top, 'qcow2', 9, 50 * MiB, MiB);
      const { sha256 } = await hashDisk(top);
      await mergeDisk(top);
      assert.deepEqual(await hashDisk(middle), { sha256, sizeBytes: 60 * MiB });
    }));

  for (const format of ['qcow2', 'vhd', 'vhdx'] as const) {
    test(`of ${format} that was interrupted anywhere is whole, and ends when it is done again`, () =>
      withFolder(async (folder) => {
        const [, middle, top] = await threeLayers(folder, format);
        const { sha256 } = await hashDisk(top);
        for (const steps of [0, 1]) {
          const stop = new AbortController();
          let seen = 0;
          const onProgress = (): void => {
            if (seen++ === steps) stop.abort(new Error('stop'));
          };
          await assert.rejects(mergeDisk(top, { signal: stop.signal, onProgress }), /stop/);
          // Where the parent's identity follows its content, the record of the merge vouches for it.
          if (format === 'vhdx') await assertRejects(() => hashDisk(top), 'disk.merge-unfinished');
          await using disk = await openChain(top, { readOnly: true, duringMerge: true });
          assert.equal(await hashContent(disk), sha256);
        }
        await mergeDisk(top);
        assert.equal((await hashDisk(middle)).sha256, sha256);
        assert.deepEqual((await readdir(folder)).sort(), [`base.${format}`, `middle.${format}`]);
      }));
  }
});

describe('resize', () => {
  for (const format of ['qcow2', 'vhd', 'vhdx'] as const) {
    test(`leaves a ${format} as it is while others rest on it`, () =>
      withFolder(async (folder) => {
        const [base, middle, top] = await threeLayers(folder, format);
        const { sha256 } = await hashDisk(top);
        for (const path of [base, middle]) {
          await assertRejects(() => resizeDisk(path, 80 * MiB), 'disk.in-use-as-parent');
          await assertRejects(() => resizeDisk(path, 20 * MiB, { shrink: true }), 'disk.in-use-as-parent');
        }
        assert.equal((await hashDisk(top)).sha256, sha256);
      }));
  }
});

describe('the first look at a foreign image', () => {
  for (const format of ['vhd', 'vhdx'] as const) {
    test(`takes the parents that a ${format} proves, if they are wanted`, () =>
      withFolder(async (folder) => {
        const paths = await threeLayers(folder, format);
        const top = paths[2];
        await assertRejects(() => inspectForeign(top), 'disk.foreign-refused');
        const { layers, info } = await inspectForeign(top, { provedParents: true });
        assert.deepEqual(
          layers.map(({ path }) => path),
          paths.toReversed(),
        );
        assert.equal(info.variant, 'differencing');
        await fill(paths[0], format, 9, MiB, 4096);
        // A VHD keeps its identity when it is written to.
        if (format === 'vhd') return;
        await assertRejects(() => inspectForeign(top, { provedParents: true }), 'disk.parent-changed');
      }));
  }

  test('follows no parent that has only a name', () =>
    withFolder(async (folder) => {
      const [, , top] = await threeLayers(folder, 'qcow2');
      await assertRejects(() => inspectForeign(top, { provedParents: true }), 'disk.foreign-refused');
    }));

  test('follows names where that is wanted, but not to what only a name makes a disk', () =>
    withFolder(async (folder) => {
      const named = { provedParents: true, namedParents: true };
      const paths = await threeLayers(folder, 'qcow2');
      const { layers } = await inspectForeign(paths[2], named);
      assert.deepEqual(
        layers.map(({ path }) => path),
        paths.toReversed(),
      );
      const secret = join(folder, 'secret');
      await writeFile(secret, Buffer.alloc(MiB, 's'));
      const child = join(folder, 'child.qcow2');
      await createDisk(child, { format: 'qcow2', parent: secret, parentFormat: 'raw' });
      await assertRejects(() => inspectForeign(child, named), 'disk.foreign-refused');
    }));

  test('refuses what rests on other files, is absurd, or is of another kind', () =>
    withFolder(async (folder) => {
      const base = join(folder, 'base.raw');
      await createDisk(base, { format: 'raw', sizeBytes: MiB });
      const child = join(folder, 'child.qcow2');
      await createDisk(child, { format: 'qcow2', parent: base });
      await assertRejects(() => inspectForeign(child), 'disk.foreign-refused');
      const large = join(folder, 'large.qcow2');
      await createDisk(large, { format: 'qcow2', sizeBytes: 128 * TiB });
      await assertRejects(() => inspectForeign(large), 'disk.foreign-refused');
      await inspectForeign(large, { maxBytes: 128 * TiB });
      const vmdk = join(folder, 'disk.vmdk');
      await writeFile(vmdk, Buffer.concat([Buffer.from('KDMV'), Buffer.alloc(MiB)]));
      await assertRejects(() => inspectForeign(vmdk), 'disk.foreign-refused');
      await inspectForeign(vmdk, { format: 'raw' });
      await assertRejects(() => hashDisk(vmdk), 'disk.other-format');
      assert.equal((await hashDisk(vmdk, { format: 'raw' })).sizeBytes, MiB + 4);
      await assertRejects(() => inspectForeign(vmdk, { format: 'qcow2' }), 'disk.unknown-format');
      const headless = join(folder, 'headless.vhdx');
      await writeFile(headless, Buffer.alloc(MiB));
      await assertRejects(() => hashDisk(headless), 'disk.unknown-format');
      await hashDisk(headless, { format: 'raw' });
      const empty = join(folder, 'empty');
      await writeFile(empty, '');
      await assertRejects(() => inspectForeign(empty), 'disk.foreign-refused');
      await assertRejects(() => inspectForeign(folder), 'disk.io');
    }));
});
