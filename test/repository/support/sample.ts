/** Small disks, and what should be in the points made of them. */
import assert from 'node:assert/strict';
import type { ObjectStore } from '@corral/backup/object-store/object-store';
import type { Point } from '@corral/backup/point/point';
import { type OpenOptions, Repository } from '@corral/backup/repository';
import type { RestoreSink } from '@corral/backup/restore/restore-sink';

export const blockBytes = 65_536;
export const vm = { id: '11111111-2222-4333-8444-555555555555', name: 'sample' };

/** Without threads: deterministic, and quick to begin. */
export const inPlace: OpenOptions = { workers: 0 };

/** Cheap on purpose: tests open hundreds of repositories. */
export const quickKey = {
  secret: { keyFile: Buffer.alloc(32, 'k') },
};

/** A generator of numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A disk of which some blocks hold data. A block's content follows from its text. */
export function makeDisk(blocks: number, contents: Readonly<Record<number, string>>, tail = 0): Buffer {
  const disk = Buffer.alloc(blocks * blockBytes + tail);
  for (const [block, text] of Object.entries(contents)) {
    const start = Number(block) * blockBytes;
    disk.fill(text, start, Math.min(start + blockBytes, disk.length));
  }
  return disk;
}

export interface BackUpOptions {
  readonly base?: Point | undefined;
  readonly name?: string | undefined;
  readonly document?: string | undefined;
}

/** Backs a disk up: in full, or what differs from what the base held. */
export async function backUp(
  repository: Repository,
  disk: Buffer,
  options: BackUpOptions = {},
  before?: Buffer,
): Promise<Point> {
  const { base, name = 'point', document } = options;
  await using writer = await repository.beginPoint({
    vm,
    base: base?.id,
    disks: [{ name: 'disk', sizeBytes: disk.length }],
  });
  for (let offset = 0; offset < disk.length; offset += blockBytes) {
    const piece = disk.subarray(offset, offset + blockBytes);
    const isSame =
      writer.isIncremental('disk') && before?.subarray(offset, offset + blockBytes).equals(piece);
    if (!isSame) await writer.write('disk', offset, piece);
  }
  if (document !== undefined) await writer.putDocument('settings', Buffer.from(document));
  return await writer.seal({ name, consistency: 'crash' });
}

/** A sink in memory. */
export class MemorySink implements RestoreSink {
  readonly content: Buffer;

  constructor(sizeBytes: number) {
    this.content = Buffer.alloc(sizeBytes);
  }

  async write(offset: number, data: Buffer): Promise<void> {
    data.copy(this.content, offset);
  }
}

export async function restoreDisk(repository: Repository, id: string): Promise<Buffer> {
  const reader = await repository.openPoint(id);
  const sink = new MemorySink(reader.disk('disk').sizeBytes);
  await repository.restore(reader, 'disk', sink);
  return sink.content;
}

/** Every point holds what it should, read by a repository that knows nothing yet. */
export async function assertRestores(
  store: ObjectStore,
  options: OpenOptions,
  expected: ReadonlyMap<string, Buffer>,
): Promise<void> {
  await using repository = await Repository.open(store, options);
  for (const [id, disk] of expected) {
    assert.ok((await restoreDisk(repository, id)).equals(disk), `point ${id} holds something else`);
  }
}
