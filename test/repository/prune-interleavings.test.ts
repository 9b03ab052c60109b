/**
 * Two hosts that back up, two that prune and one that deletes points, interleaved call by call by a seed; the
 * store's clock jumps, so that sessions are revoked while their writers still work. Whatever the order: every point that
 * was promised and not deleted restores.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { check } from '@corral/backup/check/check';
import { MemoryStore } from '@corral/backup/object-store/memory-store';
import type { Point } from '@corral/backup/point/point';
import { prune } from '@corral/backup/prune/prune';
import { Repository } from '@corral/backup/repository';
import { deletePoint } from '@corral/backup/retention/point-locks';
import { assertRestores, backUp, inPlace, makeDisk, seededRandom } from './support/sample.ts';
import { Scheduler, SteppedStore } from './support/stepped-store.ts';

/** Seeds that found something once, and a few more each time. */
const remembered = [18, 83, 159];
const seeds = [
  ...remembered,
  ...Array.from({ length: process.env['CORRAL_TEST_ALL'] ? 2000 : 30 }, (_, i) => i + 1),
];
const limits = { repackBelow: 0.7, smallPacks: 4 };
/** Errors that an unlucky order may cause; nothing is lost by them, and the run is repeated in life. */
const unlucky = [
  'repository.revoked',
  'repository.busy',
  'repository.point-not-found',
  'repository.object-missing',
];

class World {
  readonly store: MemoryStore;
  readonly random: () => number;
  readonly scheduler: Scheduler;
  /** What was promised. A point under deletion is nobody's promise. */
  readonly sealed = new Map<string, Buffer>();
  readonly points: { point: Point; disk: Buffer }[] = [];
  clock = Date.now();

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.scheduler = new Scheduler(this.random);
    this.store = new MemoryStore(() => this.clock);
  }

  open(actor: string): Promise<Repository> {
    return Repository.open(new SteppedStore(this.store, this.scheduler, actor), inPlace);
  }

  pick(below: number): number {
    return Math.floor(this.random() * below);
  }
}

/** Contents come from a small set, so that hosts share blocks, and blocks die and come back. */
function randomDisk(world: World, before: Buffer | undefined): Buffer {
  const disk = before ? Buffer.from(before) : makeDisk(70, {});
  for (let change = 0; change < 3; change += 1) {
    const block = world.pick(70);
    disk.fill(`content ${world.pick(6)}`, block * 65_536, (block + 1) * 65_536);
  }
  return disk;
}

async function writer(world: World, name: string): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    await tolerate(async () => {
      await using repository = await world.open(name);
      const base = world.random() < 0.7 ? world.points[world.pick(world.points.length)] : undefined;
      const disk = randomDisk(world, base?.disk);
      const point = await backUp(repository, disk, { base: base?.point, name }, base?.disk);
      world.sealed.set(point.id, disk);
      world.points.push({ point, disk });
    });
  }
}

async function deleter(world: World): Promise<void> {
  for (let round = 0; round < 4; round += 1) {
    await tolerate(async () => {
      await using repository = await world.open('deleter');
      const victim = world.points[world.pick(world.points.length)];
      if (!victim || !world.sealed.delete(victim.point.id)) return;
      await deletePoint(repository.context, victim.point.id);
    });
  }
}

async function pruner(world: World, name: string): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    await tolerate(async () => {
      await using repository = await world.open(name);
      await prune(repository.context, { limits });
    });
  }
}

async function tolerate(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    if (!unlucky.includes(code)) throw cause;
  }
}

async function play(seed: number): Promise<void> {
  const world = new World(seed);
  await using repository = await Repository.create(world.store, inPlace);
  const disk = makeDisk(70, { 0: 'content 0', 1: 'content 1', 69: 'content 2' });
  const point = await backUp(repository, disk);
  world.sealed.set(point.id, disk);
  world.points.push({ point, disk });
  const actors = [
    writer(world, 'writer 1'),
    writer(world, 'writer 2'),
    pruner(world, 'pruner 1'),
    pruner(world, 'pruner 2'),
    deleter(world),
  ];
  const mayJump = seed % 2 === 1;
  await world.scheduler.run(actors, () => {
    // Half an hour without a sign of life: whoever is at work now is given up by the next that looks.
    if (mayJump && world.random() < 0.02) world.clock += 31 * 60e3;
  });
  await assertRestores(world.store, inPlace, world.sealed);
  // A backup of all contents there are relies on whatever the others left behind.
  const every = makeDisk(6, Object.fromEntries([0, 1, 2, 3, 4, 5].map((i) => [i, `content ${i}`])));
  world.sealed.set((await backUp(repository, every)).id, every);
  await assertRestores(world.store, inPlace, world.sealed);
  world.clock += 3600e3;
  await prune(repository.context, { limits });
  await assertRestores(world.store, inPlace, world.sealed);
  const report = await check(repository.context, { readData: true });
  assert.deepEqual([report.problems, report.harmed], [[], []]);
}

test(`no order of backups, deletions and prunes loses a block (${seeds.length} seeds)`, async () => {
  for (const seed of seeds) {
    await play(seed).catch((cause: unknown) => {
      throw new Error(`seed ${seed}`, { cause });
    });
  }
});
