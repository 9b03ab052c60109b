/** Every write of the rarer work fails in every way in turn: keys, policy, locks, copy, repair. Nothing sealed is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { check } from '@corral/backup/check/check';
import { repair } from '@corral/backup/check/repair';
import { copyPoints } from '@corral/backup/copy/copy';
import { addKey, listKeySlots, removeKey } from '@corral/backup/key-management';
import { MemoryStore } from '@corral/backup/object-store/memory-store';
import type { ObjectStore } from '@corral/backup/object-store/object-store';
import { addVerification } from '@corral/backup/point/verifications';
import { prune } from '@corral/backup/prune/prune';
import { giveUpSession } from '@corral/backup/prune/sessions-at-work';
import { Repository } from '@corral/backup/repository';
import { deletePoint, lockPoint } from '@corral/backup/retention/point-locks';
import { tightenPolicy } from '@corral/backup/retention/policy';
import { newId } from '@corral/core/ids';
import { type Fault, FaultyStore } from './support/faulty-store.ts';
import { assertRestores, backUp, inPlace, makeDisk, quickKey } from './support/sample.ts';

const old = { ...inPlace, ...quickKey };
const fresh = { ...inPlace, secret: { keyFile: Buffer.alloc(32, 'n') } };
const disk = makeDisk(6, { 0: 'a', 2: 'bb', 5: 'c' });
const hourMs = 3600e3;
const faults: readonly Fault[] = ['refuse', 'lose-answer', 'die-before', 'die-after', 'full'];

interface Made {
  readonly store: MemoryStore;
  readonly point: string;
  readonly tick: () => void;
}

async function makeRepository(): Promise<Made> {
  let clock = Date.now();
  const store = new MemoryStore(() => clock);
  await using repository = await Repository.create(store, old);
  const { id } = await backUp(repository, disk);
  const tick = (): void => {
    clock += hourMs;
  };
  return { store, point: id, tick };
}

/** Which of two secrets opens; at least one must. */
async function opensWith(store: ObjectStore): Promise<typeof old> {
  try {
    await (await Repository.open(store, fresh)).close();
    return fresh;
  } catch (cause) {
    assert.ok(cause instanceof Error && 'code' in cause && cause.code === 'repository.wrong-key');
    return old;
  }
}

async function forEveryFault(
  prepare: () => Promise<Made>,
  work: (store: ObjectStore, made: Made) => Promise<void>,
  judge: (made: Made) => Promise<void>,
): Promise<void> {
  const counted = await prepare();
  const counter = new FaultyStore(counted.store, 0, 'refuse');
  await work(counter, counted);
  await judge(counted);
  for (const fault of faults) {
    for (let at = 1; at <= counter.writes; at += 1) {
      const made = await prepare();
      await work(new FaultyStore(made.store, at, fault), made).catch((cause: Error & { code?: string }) => {
        assert.equal(cause.code, 'repository.store', `${fault} at ${at}: only the fault itself may show`);
      });
      made.tick();
      await judge(made);
    }
  }
}

test('a change of key leaves a key that opens, whatever fails', async () => {
  await forEveryFault(
    makeRepository,
    async (store) => {
      await using repository = await Repository.open(store, old);
      const before = repository.opened.keyId!;
      await addKey(repository.context, fresh.secret, 'new');
      await removeKey(repository.context, before);
    },
    async ({ store, point }) => {
      const options = await opensWith(store);
      await assertRestores(store, options, new Map([[point, disk]]));
      const { damaged, slots } = await listKeySlots(store);
      assert.ok(slots.length > 0 && damaged.size === 0);
    },
  );
});

test('policy, locks and verifications are there or not, and nothing else suffers', async () => {
  await forEveryFault(
    makeRepository,
    async (store, { point }) => {
      await using repository = await Repository.open(store, old);
      const found = { outcome: 'passed', method: 'agent', detail: '', tookMs: 1 } as const;
      await addVerification(repository.context, point, found);
      await lockPoint(repository.context, point, new Date(Date.now() + 24 * hourMs));
      await tightenPolicy(repository.context, { lockDays: 3 });
    },
    async ({ store, point }) => {
      await assertRestores(store, old, new Map([[point, disk]]));
      await using repository = await Repository.open(store, old);
      const report = await check(repository.context, { readData: true });
      assert.deepEqual(report.problems, []);
      await tightenPolicy(repository.context, { lockDays: 4 });
      assert.equal(repository.context.state.policy.lockDays, 4);
    },
  );
});

test('a copy that failed goes on, and what it left is pruned', async () => {
  const target = { ...inPlace };
  await forEveryFault(
    async () => {
      const clocked = await makeRepository();
      const store = new MemoryStore();
      await (await Repository.create(store, target)).close();
      return { ...clocked, store: Object.assign(store, { source: clocked.store }) };
    },
    async (store, made) => {
      await using source = await Repository.open(
        (made.store as MemoryStore & { source: MemoryStore }).source,
        old,
      );
      await using copy = await Repository.open(store, target);
      await copyPoints(source, copy, [made.point]);
    },
    async (made) => {
      await using source = await Repository.open(
        (made.store as MemoryStore & { source: MemoryStore }).source,
        old,
      );
      await using copy = await Repository.open(made.store, target);
      await copyPoints(source, copy, [made.point]);
      const { points } = await copy.points();
      assert.equal(points.length, 1);
      await assertRestores(made.store, target, new Map([[points[0]!.id, disk]]));
    },
  );
});

test('a repair that failed is done by the next', async () => {
  await forEveryFault(
    async () => {
      const made = await makeRepository();
      await using repository = await Repository.open(made.store, old);
      const lost = await backUp(repository, makeDisk(3, { 1: 'lost' }));
      const [segment] = [...made.store.objects.keys()].filter((name) => name.startsWith('index/'));
      made.store.objects.get(segment!)!.content[100]! ^= 1;
      await deletePoint(repository.context, lost.id);
      return made;
    },
    async (store) => {
      await using repository = await Repository.open(store, old);
      await repair(repository.context);
    },
    async ({ store, point, tick }) => {
      tick();
      await using repository = await Repository.open(store, old);
      await repair(repository.context);
      await assertRestores(store, old, new Map([[point, disk]]));
      const report = await check(repository.context, { readData: true });
      assert.deepEqual([report.problems, report.harmed], [[], []]);
    },
  );
});

test('a session that is known to be dead is given up at once, and a living one then fails as a whole', async () => {
  const { store } = await makeRepository();
  await using writing = await Repository.open(store, old);
  await using pruning = await Repository.open(store, old);
  const id = newId();
  const vm = { id: newId(), name: 'slow' };
  await using writer = await writing.beginPoint({
    id,
    vm,
    disks: [{ name: 'disk', sizeBytes: disk.length }],
  });
  assert.equal(writer.id, id);
  await writer.write('disk', 0, disk);
  await giveUpSession(pruning.context, id);
  await prune(pruning.context);
  await assert.rejects(writer.seal({ name: 'late', consistency: 'crash' }), { code: 'repository.revoked' });
  const report = await check(pruning.context, { readData: true });
  assert.deepEqual([report.points, report.harmed], [1, []]);
});
