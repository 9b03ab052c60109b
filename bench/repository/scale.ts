/** What must not grow: the time of an incremental with the size of the disk, and the memory of a backup with the size of the index. */
import { randomBytes, randomFillSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { recordBytes } from '@corral/backup/index/record';
import { buildSegment, segmentName } from '@corral/backup/index/segment-format';
import { DirectoryStore } from '@corral/backup/object-store/directory-store';
import { Repository } from '@corral/backup/repository';
import { firstState, putState } from '@corral/backup/state/state';
import { formatSize } from '@corral/core/units';
import { makeImage } from './image.ts';
import { measure } from './measure.ts';

const blockBytes = 65_536;
const changedBlocks = 164;
const vm = { id: 'b1f0c8de-0000-4000-8000-000000000002', name: 'scale' };
const rounds = 9;

/** 164 blocks of 64 KiB change, whatever the disk's size; the sizes take turns. Every leaf of a disk's tree is there and differs from all others. */
export async function benchIncrementals(place: string): Promise<void> {
  const folder = await mkdtemp(path.join(place, 'corral-bench-scale-'));
  try {
    const disks: { gib: number; repository: Repository; base: string; times: number[]; share: number }[] = [];
    for (const gib of [1, 4, 16, 64]) {
      const repository = await Repository.create(new DirectoryStore(path.join(folder, `disk-${gib}`)));
      const base = await fullBackup(repository, gib * 2 ** 30);
      disks.push({ gib, repository, base, times: [], share: 0 });
    }
    for (let round = 0; round < rounds; round += 1) {
      for (const disk of disks) Object.assign(disk, await incremental(disk));
    }
    console.log(
      `\ndisk     incremental of ${changedBlocks} blocks, operation in ms: median of ${rounds}, least   stored`,
    );
    for (const { gib, share, times, repository } of disks) {
      const sorted = times.toSorted((a, b) => a - b);
      const [median, least] = [sorted[Math.floor(rounds / 2)]!, sorted[0]!];
      const cells = [`${gib} GiB`.padEnd(8), median.toFixed(0).padStart(10), least.toFixed(0).padStart(10)];
      console.log(`${cells.join(' ')}   ${share.toFixed(3)} of the changed bytes`);
      await repository.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function incremental(disk: {
  readonly gib: number;
  readonly repository: Repository;
  readonly base: string;
  readonly times: number[];
}): Promise<{ base: string; share: number }> {
  const sizeBytes = disk.gib * 2 ** 30;
  const contents = Array.from({ length: changedBlocks }, () => randomBytes(blockBytes));
  const blocks = contents.map(() => randomBytes(4).readUInt32LE() % (sizeBytes / blockBytes));
  const begun = performance.now();
  const what = { vm, base: disk.base, disks: [{ name: 'disk', sizeBytes }] };
  await using writer = await disk.repository.beginPoint(what);
  for (const [i, block] of blocks.entries()) await writer.write('disk', block * blockBytes, contents[i]!);
  const point = await writer.seal({ name: 'incremental', consistency: 'crash' });
  disk.times.push(performance.now() - begun);
  return { base: point.id, share: point.disks[0]!.storedBytes / (changedBlocks * blockBytes) };
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
export async function benchIndex(place: string, entries = 2 ** 24): Promise<void> {
  const folder = await mkdtemp(path.join(place, 'corral-bench-index-'));
  try {
    const repository = path.join(folder, 'repository');
    const image = path.join(folder, 'disk.img');
    const restored = path.join(folder, 'restored.img');
    await makeImage(image, 2 ** 30);
    await makeIndex(repository, entries);
    console.log(`\n1 GiB into a repository whose index holds ${entries} entries: seconds, peak memory`);
    const run = new URL('./corral-run.ts', import.meta.url).pathname;
    const env = { NODE_COMPILE_CACHE: path.join(tmpdir(), 'corral-bench-compile-cache') };
    for (const step of ['full', 'same', 'restore'] as const) {
      const target = step === 'restore' ? restored : image;
      const measured = await measure([process.execPath, run, step, repository, target], { env });
      console.log(`${step.padEnd(10)} ${measured.seconds.toFixed(2)}   ${formatSize(measured.peakBytes)}`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
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
