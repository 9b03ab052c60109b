/** Disks and chains as large as they get: what they cost is their data. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import { openChain } from '@corral/disk/chain';
import type { DiskFormat } from '@corral/disk/disk';
import { assertRejects, withFolder } from '@corral/disk/disk-conformance';
import { inspectForeign } from '@corral/disk/inspect-foreign';
import { convertDisk } from '@corral/disk/verbs/convert-disk';
import { createDisk } from '@corral/disk/verbs/create-disk';
import { diffDisks } from '@corral/disk/verbs/diff-disks';
import { inspectDisk } from '@corral/disk/verbs/inspect-disk';
import { mapDisk } from '@corral/disk/verbs/map-disk';

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

/** By all of this process, from whatever file. @param file any */
async function bytesRead(file: string, work: () => Promise<unknown>): Promise<number> {
  await using handle = await open(file);
  const reads = mock.method(Object.getPrototypeOf(handle) as FileHandle, 'read');
  try {
    await work();
    const results = await Promise.all(reads.mock.calls.map(({ result }) => result));
    return results.reduce((sum, result) => sum + (result?.bytesRead ?? 0), 0);
  } finally {
    reads.mock.restore();
  }
}

test('64 TiB with little data are converted by reading little more than the data', () =>
  withFolder(async (folder) => {
    const vhdx = join(folder, 'large.vhdx');
    const qcow2 = join(folder, 'large.qcow2');
    await createDisk(vhdx, { format: 'vhdx', sizeBytes: 64 * TiB });
    await fill(vhdx, 'vhdx', 1, 0, 100);
    await fill(vhdx, 'vhdx', 2, 40 * TiB + 5, 3 * MiB);
    await fill(vhdx, 'vhdx', 3, 64 * TiB - 1, 1);
    const looked = await bytesRead(vhdx, () => inspectDisk(vhdx));
    assert.ok(looked <= 2 * MiB, `${looked} bytes to inspect it: not its tables`);
    const read = await bytesRead(vhdx, async () => {
      const { writtenBytes } = await convertDisk(vhdx, qcow2, { format: 'qcow2' });
      assert.ok(writtenBytes <= 4 * MiB);
    });
    assert.ok(read <= TiB / 2 ** 14, `${read} bytes: its data and its tables, a millionth of it`);
    for await (const range of diffDisks(vhdx, qcow2)) assert.fail(`differs at ${range.offset}`);
    const data = (await Array.fromAsync(mapDisk(qcow2))).filter(({ kind }) => kind === 'data');
    assert.deepEqual(
      data.map(({ offset }) => Math.floor(offset / TiB)),
      [0, 40, 63],
    );
    const back = join(folder, 'back.vhdx');
    await convertDisk(qcow2, back, { format: 'vhdx' });
    for await (const range of diffDisks(vhdx, back)) assert.fail(`differs at ${range.offset}`);
  }));

test('a foreign chain has an end', () =>
  withFolder(async (folder) => {
    const paths = Array.from({ length: 66 }, (_, index) => join(folder, `${index}.vhdx`));
    await createDisk(paths[0]!, { format: 'vhdx', sizeBytes: MiB });
    for (const [index, path] of paths.slice(1).entries()) {
      await createDisk(path, { format: 'vhdx', parent: paths[index]! });
    }
    assert.equal((await inspectForeign(paths[63]!, { provedParents: true })).layers.length, 64);
    const tooLong = () => inspectForeign(paths[64]!, { provedParents: true });
    await assertRejects(tooLong, 'disk.chain-too-deep');
  }));
