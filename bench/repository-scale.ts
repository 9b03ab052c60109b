/**
 * What must not grow: the time of an incremental with the size of the disk, and the memory of a backup with the size of
 * the index. `node bench/repository-scale.ts [--entries 16777216]`
 */
import { randomBytes, randomFillSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { recordBytes } from '@corral/backup/index/record';
import { buildSegment, segmentName } from '@corral/backup/index/segment-format';
import { DirectoryStore } from '@corral/backup/object-store/directory-store';
import { Repository } from '@corral/backup/repository';
import { firstState, putState } from '@corral/backup/state/state';
import { formatSize } from '@corral/core/units';
import { makeImage } from './repository/image.ts';
import { measure } from './repository/measure.ts';

const { values } = parseArgs({ options: { entries: { type: 'string', default: String(2 ** 24) } } });
const blockBytes = 65_536;
const changedBlocks = 164;
const vm = { id: 'b1f0c8de-0000-4000-8000-000000000002', name: 'scale' };
const folder = await mkdtemp(path.join(tmpdir(), 'corral-bench-scale-'));
try {
  await benchIncrementals();
  await benchIndex(Number(values.entries));
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** 164 blocks of 64 KiB change, whatever the disk's size. Every leaf of its tree is there and differs from all others. */
async function benchIncrementals(): Promise<void> {
  console.log('disk       incremental of 164 blocks, operation time in ms (median of 7)   stored');
  for (const gib of [1, 4, 16, 64]) {
    const sizeBytes = gib * 2 ** 30;
    const place = path.join(folder, `incremental-${gib}`);
    await using repository = await Repository.create(new DirectoryStore(place));
    let base = await fullBackup(repository, sizeBytes);
    const times: number[] = [];
    let stored = 0;
    for (let run = 0; run < 7; run += 1) {
      const blocks = Array.from(
        { length: changedBlocks },
        () => randomBytes(4).readUInt32LE() % (sizeBytes / blockBytes),
      );
      const contents = blocks.map(() => randomBytes(blockBytes));
      const begun = performance.now();
      await using writer = await repository.beginPoint({ vm, base, disks: [{ name: 'disk', sizeBytes }] });
      for (const [i, block] of blocks.entries()) await writer.write('disk', block * blockBytes, contents[i]!);
      const point = await writer.seal({ name: 'incremental', consistency: 'crash' });
      times.push(performance.now() - begun);
      stored = point.disks[0]!.storedBytes;
      base = point.id;
    }
    const median = times.toSorted((a, b) => a - b)[3]!;
    const share = (stored / (changedBlocks * blockBytes)).toFixed(3);
    console.log(
      `${`${gib} GiB`.padEnd(10)} ${median.toFixed(0).padStart(8)}   ${share} of the changed bytes`,
    );
    await rm(place, { recursive: true });
  }
}

async function fullBackup(repository: Repository, sizeBytes: number): Promise<string> {
  await using writer = await repository.beginPoint({ vm, disks: [{ name: 'disk', sizeBytes }] });
  const content = Buffer.alloc(blockBytes, 'a leaf of its own');
  for (let offset = 0; offset < sizeBytes; offset += 64 * blockBytes) {
    content.writeDoubleLE(offset);
    await writer.write('disk', offset, content);
  }
  return (await writer.seal({ name: 'full', consistency: 'crash' })).id;
}

/** A repository whose index holds the entries of 1 TiB, of packs that are not there: a new backup needs none of them. */
async function benchIndex(entries: number): Promise<void> {
  const place = path.join(folder, 'index');
  const image = path.join(folder, 'disk.img');
  await makeImage(image, 2 ** 30);
  await makeIndex(place, entries);
  console.log(`\n1 GiB into a repository whose index holds ${entries} entries: seconds, peak memory`);
  const run = new URL('./repository/corral-run.ts', import.meta.url).pathname;
  const env = { NODE_COMPILE_CACHE: path.join(tmpdir(), 'corral-bench-compile-cache') };
  for (const step of ['full', 'same', 'restore'] as const) {
    const target = step === 'restore' ? path.join(folder, 'restored.img') : image;
    const measured = await measure([process.execPath, run, step, place, target], { env });
    console.log(`${step.padEnd(10)} ${measured.seconds.toFixed(2)}   ${formatSize(measured.peakBytes)}`);
  }
}

async function makeIndex(place: string, entries: number): Promise<void> {
  const store = new DirectoryStore(place);
  await using repository = await Repository.create(store);
  const { keys } = repository.context;
  const session = Buffer.alloc(16);
  const perSegment = 2 ** 19;
  const segments: string[] = [];
  const records = Buffer.alloc(perSegment * recordBytes);
  const packs = randomBytes(32 * 2048);
  for (let first = 0; first < entries; first += perSegment) {
    randomFillSync(records);
    for (let at = 0; at < perSegment; at += 1) {
      // Evenly spread ids are sorted as they come.
      records.writeUIntBE(Math.floor(((first + at) / entries) * 2 ** 48), at * recordBytes, 6);
      records.writeUInt32LE(at % 2048, at * recordBytes + 32);
      records.writeUInt32LE(blockBytes, at * recordBytes + 40);
    }
    const segment = buildSegment(keys, session, records, packs, true);
    await store.put(segmentName(segment.hash), segment.bytes);
    segments.push(segment.hash);
  }
  await putState(store, keys, session, { ...firstState, number: 1, segments });
}
