/** Every write of a small scenario fails in every way in turn; what was sealed is whole, and the next run works. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { check } from '@corral/backup/check/check';
import { MemoryStore } from '@corral/backup/object-store/memory-store';
import type { ObjectStore } from '@corral/backup/object-store/object-store';
import { prune } from '@corral/backup/prune/prune';
import { Repository } from '@corral/backup/repository';
import { deletePoint } from '@corral/backup/retention/point-locks';
import { type Fault, FaultyStore } from './support/faulty-store.ts';
import { assertRestores, backUp, inPlace, makeDisk, quickKey } from './support/sample.ts';

const options = { ...inPlace, ...quickKey };
const first = makeDisk(6, { 0: 'a', 2: 'bb', 5: 'c' });
const second = makeDisk(6, { 0: 'a', 2: 'changed', 3: 'new' });
const third = makeDisk(6, { 1: 'third', 2: 'changed' });
const hourMs = 3600e3;

/** Two backups, one deleted, one prune; adds to `sealed` what is promised after each step. */
async function scenario(store: ObjectStore, sealed: Map<string, Buffer>): Promise<void> {
  await using repository = await Repository.open(store, options);
  const one = await backUp(repository, first, { document: '{"cpus":1}' });
  sealed.set(one.id, first);
  const two = await backUp(repository, second, { base: one }, first);
  sealed.set(two.id, second);
  sealed.delete(one.id);
  await deletePoint(repository.context, one.id);
  await prune(repository.context);
}

async function writesOfScenario(): Promise<number> {
  const store = new MemoryStore();
  await (await Repository.create(store, options)).close();
  const counted = new FaultyStore(store, 0, 'refuse');
  await scenario(counted, new Map());
  return counted.writes;
}

for (const fault of ['refuse', 'lose-answer', 'die-before', 'die-after', 'full'] satisfies Fault[]) {
  test(`a backup and a prune survive the fault "${fault}" at every write`, async () => {
    const writes = await writesOfScenario();
    assert.ok(writes > 15, `only ${writes} writes: the scenario lost its point`);
    for (let at = 1; at <= writes; at += 1) await surviveFault(fault, at);
  });
}

async function surviveFault(fault: Fault, at: number): Promise<void> {
  let clock = Date.now();
  const store = new MemoryStore(() => clock);
  await (await Repository.create(store, options)).close();
  const sealed = new Map<string, Buffer>();
  await assert.doesNotReject(
    scenario(new FaultyStore(store, at, fault), sealed).catch((cause: Error & { code?: string }) => {
      if (cause.code !== 'repository.store') throw cause;
    }),
    `write ${at}: only the fault itself may show`,
  );
  await assertRestores(store, options, sealed);
  // The dead host's session is given up after a while; nothing may hinder the next run.
  clock += hourMs;
  await using repository = await Repository.open(store, options);
  const next = await backUp(repository, third);
  sealed.set(next.id, third);
  const result = await prune(repository.context);
  assert.equal(result.waitingPacks, 0, `write ${at}: packs wait for a session that is dead`);
  await assertRestores(store, options, sealed);
  const report = await check(repository.context, { readData: true });
  assert.deepEqual([report.problems, report.harmed], [[], []], `write ${at}`);
  const left = await prune(repository.context);
  assert.equal(left.doomedPacks + left.deletedPacks, 0, `write ${at}: prune left something behind`);
  assert.ok(
    ![...store.objects.keys()].some((name) => name.startsWith('sessions/')),
    `write ${at}: a session is left`,
  );
}
