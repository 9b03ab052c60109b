/**
 * One suite for every format: what `Disk` and `DiskDriver` promise, judged by a model in memory.
 * Register it from a test file: `diskConformance({ driver, name, options, sizeBytes })`.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import fc from 'fast-check';
import type { CreateOptions, Disk, DiskDriver, Extent } from './disk.ts';
import { DiskModel, type DiskOperation, operations } from './disk-model.ts';

export interface ConformanceCase {
  readonly name: string;
  readonly driver: DiskDriver;
  /** Keep it small: the model and every comparison are in memory. At least two blocks. */
  readonly sizeBytes: number;
  readonly options?: Omit<CreateOptions, 'sizeBytes' | 'signal'>;
  /** Another size that the format can hold, greater than `sizeBytes`; absent where it cannot resize. */
  readonly largerBytes?: number;
  /** Of the property test. */
  readonly runs?: number;
  readonly seed?: number;
}

/** In memory where that is possible: these tests flush more than they write. */
const folders = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** A folder for one test, gone afterwards. */
export async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(folders, 'corral-disk-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function collect(disk: Disk): Promise<readonly Extent[]> {
  const extents: Extent[] = [];
  for await (const extent of disk.extents()) extents.push(extent);
  return extents;
}

async function readAll(disk: Disk): Promise<Buffer> {
  const content = Buffer.alloc(disk.info.sizeBytes, 0xee);
  await disk.read(content, 0);
  return content;
}

/** The disk reads as the model says, its extents tile it, and they tell the truth about its bytes. */
async function assertEqualsModel(disk: Disk, model: DiskModel): Promise<void> {
  const content = await readAll(disk);
  assert.equal(Buffer.compare(content, model.content), 0, 'the content differs from what was written');
  let at = 0;
  for (const extent of await collect(disk)) {
    assert.equal(extent.offset, at, 'extents must follow each other without gaps');
    assert.ok(extent.length > 0);
    assert.equal(extent.layer, 0);
    at += extent.length;
    if (extent.kind === 'data') continue;
    const part = content.subarray(extent.offset, at);
    assert.ok(
      part.every((byte) => byte === 0),
      `a ${extent.kind} extent at ${extent.offset} has bytes`,
    );
  }
  assert.equal(at, disk.info.sizeBytes, 'extents must reach to the end');
  if (disk.info.parent) await assertHoles(disk, model);
}

/** Under a parent it matters what is a hole: nothing that was written may be one, nothing else may hide the parent. */
async function assertHoles(disk: Disk, model: DiskModel): Promise<void> {
  for (const { offset, length, kind } of await collect(disk)) {
    const touched = model.touchedIn(offset, length);
    if (kind === 'hole') assert.equal(touched.any, false, `what was written at ${offset} is a hole`);
    else assert.equal(touched.all, true, `a part at ${offset} that nobody wrote hides the parent`);
  }
}

async function apply(disk: Disk, model: DiskModel, operation: DiskOperation): Promise<void> {
  const { offset, length } = model.place(operation);
  if (operation.kind === 'flush') await disk.flush();
  else if (operation.kind === 'zero') await disk.zero(offset, length);
  else if (operation.kind === 'write') await disk.write(model.pattern(operation.seed, length), offset);
  else {
    const part = Buffer.alloc(length, 0xee);
    await disk.read(part, offset);
    assert.equal(
      Buffer.compare(part, model.content.subarray(offset, offset + length)),
      0,
      `read at ${offset}`,
    );
  }
  model.apply(operation);
}

export function diskConformance(subject: ConformanceCase): void {
  const { driver, sizeBytes, options = {} } = subject;
  const createAt = (path: string): Promise<Disk> => driver.create(path, { sizeBytes, ...options });
  const assertChecked = async (path: string): Promise<void> => {
    const report = await driver.check(path);
    assert.deepEqual(
      report.problems.filter(({ kind }) => kind !== 'note'),
      [],
    );
    assert.equal(report.ok, true);
  };
  /** A disk with some content, closed, and the model of it. */
  const filled = async (path: string, seed: number): Promise<DiskModel> => {
    await using disk = await createAt(path);
    const model = new DiskModel(disk.info);
    for (const operation of fc.sample(operations, { seed, numRuns: 1 })[0]!)
      await apply(disk, model, operation);
    return model;
  };

  describe(`${driver.format}: ${subject.name}`, () => {
    test('a new disk is empty and is what its plan says', () =>
      withFolder(async (folder) => {
        const path = join(folder, 'disk');
        const plan = driver.plan({ sizeBytes, ...options });
        {
          await using disk = await createAt(path);
          assert.equal(disk.info.format, driver.format);
          assert.equal(disk.info.sizeBytes, sizeBytes);
          assert.equal(disk.info.grainBytes, plan.grainBytes);
          assert.equal(disk.info.blockBytes, plan.blockBytes);
          assert.equal(disk.info.variant, plan.variant);
          assert.deepEqual(disk.info.parent?.paths, options.parent?.paths);
        }
        assert.ok((await stat(path)).size <= plan.emptyFileBytes, 'the empty file is longer than planned');
        await assertChecked(path);
        await using disk = await driver.open(path, { readOnly: true });
        assert.equal(disk.info.dirty, false);
        await assertEqualsModel(disk, new DiskModel(disk.info));
      }));

    test('reads what was written, through any sequence of writes, zeros, flushes and openings', async () => {
      const property = fc.asyncProperty(fc.array(operations, { minLength: 1, maxLength: 3 }), (sessions) =>
        withFolder(async (folder) => {
          const path = join(folder, 'disk');
          await (await createAt(path)).close();
          let model: DiskModel | undefined;
          for (const session of sessions) {
            await using disk = await driver.open(path, { readOnly: false });
            model ??= new DiskModel(disk.info);
            for (const operation of session) await apply(disk, model, operation);
            await assertEqualsModel(disk, model);
          }
          await using disk = await driver.open(path, { readOnly: true });
          await assertEqualsModel(disk, model!);
          await assertChecked(path);
        }),
      );
      await fc.assert(property, {
        numRuns: (subject.runs ?? 15) * Number(process.env['CORRAL_TEST_SCALE'] ?? 1),
        ...(subject.seed === undefined ? {} : { seed: subject.seed }),
      });
    });

    test('reads may overlap each other, and writes to other places', () =>
      withFolder(async (folder) => {
        await using disk = await createAt(join(folder, 'disk'));
        const model = new DiskModel(disk.info);
        const half = Math.floor(sizeBytes / 2);
        const first = model.pattern(1, half);
        await disk.write(first, 0);
        const reads = Array.from({ length: 8 }, async () => {
          const part = Buffer.alloc(half);
          await disk.read(part, 0);
          return part;
        });
        const writes = Array.from({ length: 8 }, (_, index) =>
          disk.write(model.pattern(index, 512), half + index * Math.floor((sizeBytes - half) / 9)),
        );
        for (const part of await Promise.all(reads)) assert.equal(Buffer.compare(part, first), 0);
        await Promise.all(writes);
      }));

    test('refuses what lies outside, what is read-only and what is closed', () =>
      withFolder(async (folder) => {
        const path = join(folder, 'disk');
        const disk = await createAt(path);
        for (const [offset, length] of [
          [sizeBytes, 1],
          [sizeBytes - 1, 2],
          [-1, 1],
          [0.5, 1],
        ] as const) {
          await assertRejects(() => disk.read(Buffer.alloc(length), offset), 'disk.out-of-range');
          await assertRejects(() => disk.write(Buffer.alloc(length), offset), 'disk.out-of-range');
          await assertRejects(() => disk.zero(offset, length), 'disk.out-of-range');
        }
        await disk.close();
        await disk.close();
        await assertRejects(() => disk.read(Buffer.alloc(1), 0), 'disk.closed');
        await assertRejects(() => disk.write(Buffer.alloc(1), 0), 'disk.closed');
        await assertRejects(() => disk.flush(), 'disk.closed');
        await using again = await driver.open(path, { readOnly: true });
        await assertRejects(() => again.write(Buffer.alloc(1), 0), 'disk.read-only');
        await assertRejects(() => again.zero(0, 1), 'disk.read-only');
      }));

    test('a file that exists is not overwritten, one that is missing is named', () =>
      withFolder(async (folder) => {
        const path = join(folder, 'disk');
        await (await createAt(path)).close();
        await assertRejects(() => createAt(path), 'disk.exists');
        await assertChecked(path);
        const missing = join(folder, 'missing');
        await assertRejects(() => driver.open(missing, { readOnly: true }), 'disk.not-found');
        await assertRejects(() => driver.check(missing), 'disk.not-found');
      }));

    test('stops where its signal says so', () =>
      withFolder(async (folder) => {
        const path = join(folder, 'disk');
        await using disk = await createAt(path);
        const stopped = AbortSignal.abort(new Error('stop'));
        await assert.rejects(() => disk.read(Buffer.alloc(1), 0, { signal: stopped }), /stop/);
        await assert.rejects(() => disk.write(Buffer.alloc(1), 0, { signal: stopped }), /stop/);
        await assert.rejects(() => driver.open(path, { readOnly: true, signal: stopped }), /stop/);
        await assert.rejects(() => driver.check(path, { signal: stopped }), /stop/);
        await disk.write(Buffer.from('works on'), 0);
      }));

    test('compact keeps the content and gives space back', () =>
      withFolder(async (folder) => {
        const path = join(folder, 'disk');
        const model = await filled(path, 7);
        const block = Math.min(
          sizeBytes,
          Math.max(driver.plan({ sizeBytes, ...options }).blockBytes, 65_536),
        );
        {
          await using disk = await driver.open(path, { readOnly: false });
          for (const kind of ['write', 'write-zeros'] as const) {
            const bytes = kind === 'write' ? model.pattern(3, block) : Buffer.alloc(block);
            await disk.write(bytes, 0);
            model.set(bytes, 0);
          }
        }
        const report = await driver.compact(path);
        assert.ok(report.occupiedBytesAfter <= report.occupiedBytesBefore, 'it takes more space than before');
        assert.equal(report.fileBytesAfter, (await stat(path)).size);
        await assertChecked(path);
        await using disk = await driver.open(path, { readOnly: true });
        assert.equal(Buffer.compare(await readAll(disk), model.content), 0);
      }));

    resizeTests(subject, filled, assertChecked);
  });
}

function resizeTests(
  { driver, sizeBytes, largerBytes }: ConformanceCase,
  filled: (path: string, seed: number) => Promise<DiskModel>,
  assertChecked: (path: string) => Promise<void>,
): void {
  if (largerBytes === undefined) return;
  test('grows with zeros, shrinks only when allowed, and grows with zeros again', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'disk');
      const before = (await filled(path, 11)).content;
      const content = async (): Promise<Buffer> => {
        await using disk = await driver.open(path, { readOnly: true });
        return await readAll(disk);
      };
      await driver.resize(path, largerBytes);
      const grown = Buffer.concat([before, Buffer.alloc(largerBytes - sizeBytes)]);
      assert.equal(Buffer.compare(await content(), grown), 0);
      await assertChecked(path);
      {
        await using disk = await driver.open(path, { readOnly: false });
        await disk.write(Buffer.alloc(largerBytes - sizeBytes, 0x77), sizeBytes);
      }
      await assertRejects(() => driver.resize(path, sizeBytes), 'disk.shrink-refused');
      await driver.resize(path, sizeBytes, { shrink: true });
      assert.equal(Buffer.compare(await content(), before), 0);
      await assertChecked(path);
      await driver.resize(path, largerBytes);
      assert.equal(Buffer.compare(await content(), grown), 0, 'what was cut off came back');
      await assertChecked(path);
    }));
}

/** The promise fails with that code of the registry. */
export async function assertRejects(work: () => Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(work, (cause) => {
    assert.ok(isCorralError(cause, code), `expected ${code}, got ${cause}`);
    return true;
  });
}
