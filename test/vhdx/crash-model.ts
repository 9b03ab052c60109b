/** What a disk may hold after a power cut: each sector as it was at the last flush, or as it was written since. */
import assert from 'node:assert/strict';
import type { Disk } from '@corral/disk/disk';
import type { CrashFile, Random } from './crash-file.ts';

export const sectorBytes = 512;
/** Tag of a sector that the parent decides. */
export const hole = -1;

interface Change {
  readonly tag: number;
  readonly first: number;
  readonly count: number;
  /** Operations of the file before it began. */
  readonly begun: number;
}

interface Flush {
  readonly changes: number;
  /** Operations of the file after which it had resolved. */
  readonly done: number;
}

export class DiskModel {
  readonly #file: CrashFile;
  readonly #sectors: number;
  readonly #changes: Change[] = [];
  readonly #flushes: Flush[] = [];

  constructor(file: CrashFile, sectors: number) {
    this.#file = file;
    this.#sectors = sectors;
  }

  async write(disk: Disk, first: number, count: number): Promise<void> {
    const tag = this.#begin(first, count, false);
    const bytes = Buffer.concat(Array.from({ length: count }, (_, index) => sectorOf(tag, first + index)));
    await disk.write(bytes, first * sectorBytes);
  }

  async zero(disk: Disk, first: number, count: number): Promise<void> {
    this.#begin(first, count, true);
    await disk.zero(first * sectorBytes, count * sectorBytes);
  }

  #begin(first: number, count: number, zero: boolean): number {
    const tag = zero ? 0 : this.#changes.length + 1;
    this.#changes.push({ tag, first, count, begun: this.#file.operations.length });
    return tag;
  }

  async flush(disk: Disk): Promise<void> {
    const changes = this.#changes.length;
    await disk.flush();
    this.#flushes.push({ changes, done: this.#file.operations.length });
  }

  /** Checks a disk that was left after `done` operations of the file. */
  async check(disk: Disk, done: number): Promise<void> {
    const flushed = this.#flushes.findLast((flush) => flush.done <= done)?.changes ?? 0;
    const stable = new Int32Array(this.#sectors).fill(disk.info.parent ? hole : 0);
    for (const change of this.#changes.slice(0, flushed)) {
      stable.fill(change.tag, change.first, change.first + change.count);
    }
    const later = this.#changes.slice(flushed).filter((change) => change.begun <= done);
    const tags = await readTags(disk, this.#sectors);
    for (const [sector, tag] of tags.entries()) {
      if (tag === stable[sector]) continue;
      const allowed = later.some(
        (change) => change.tag === tag && sector >= change.first && sector < change.first + change.count,
      );
      assert.ok(allowed, `sector ${sector} holds ${tag}, was ${stable[sector]} at the last flush`);
    }
  }
}

/** A sector that tells which write it comes from. */
export function sectorOf(tag: number, sector: number): Buffer {
  const bytes = Buffer.alloc(sectorBytes, (tag * 31 + sector) & 0xff);
  bytes.writeInt32LE(tag, 0);
  return bytes;
}

/** For each sector of the disk the write that it shows, 0 for zeros, `hole` where the parent decides. */
export async function readTags(disk: Disk, sectors: number): Promise<Int32Array> {
  const tags = new Int32Array(sectors).fill(disk.info.parent ? hole : 0);
  const length = sectors * sectorBytes;
  for await (const extent of disk.extents({ offset: 0, length })) {
    const first = extent.offset / sectorBytes;
    if (extent.kind === 'zero') tags.fill(0, first, first + extent.length / sectorBytes);
    if (extent.kind !== 'data') continue;
    const bytes = Buffer.alloc(extent.length);
    await disk.read(bytes, extent.offset);
    for (let index = 0; index < extent.length / sectorBytes; index += 1) {
      tags[first + index] = tagOf(
        bytes.subarray(index * sectorBytes, (index + 1) * sectorBytes),
        first + index,
      );
    }
  }
  return tags;
}

const zeroSector = Buffer.alloc(sectorBytes);

function tagOf(bytes: Buffer, sector: number): number {
  const tag = bytes.readInt32LE(0);
  const expected = tag === 0 ? zeroSector : sectorOf(tag, sector);
  assert.ok(bytes.equals(expected), `sector ${sector} holds parts of several writes or foreign content`);
  return tag;
}

/** A session of random writes, zeros and flushes, a third of them of whole blocks. */
export async function randomSession(
  model: DiskModel,
  disk: Disk,
  random: Random,
  options: { readonly steps: number; readonly blockSectors: number },
): Promise<void> {
  const sectors = disk.info.sizeBytes / sectorBytes;
  for (let step = 0; step < options.steps; step += 1) {
    const { first, count } = randomRange(sectors, options.blockSectors, random);
    const kind = random();
    if (kind < 0.5) await model.write(disk, first, count);
    else if (kind < 0.75) await model.zero(disk, first, count);
    else await model.flush(disk);
  }
}

function randomRange(
  sectors: number,
  blockSectors: number,
  random: Random,
): { readonly first: number; readonly count: number } {
  if (random() < 0.33) {
    const first = Math.floor((random() * sectors) / blockSectors) * blockSectors;
    return { first, count: Math.min(sectors - first, blockSectors * (1 + Math.floor(random() * 2))) };
  }
  const first = Math.floor(random() * sectors);
  return { first, count: Math.min(sectors - first, 1 + Math.floor(random() * (random() < 0.2 ? 4096 : 64))) };
}
