/** Every byte of a small repository is flipped in turn, every object cut, removed and swapped. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { check } from '@corral/backup/check/check';
import { isSound } from '@corral/backup/check/check-report';
import { MemoryStore } from '@corral/backup/object-store/memory-store';
import { addVerification } from '@corral/backup/point/verifications';
import { prune } from '@corral/backup/prune/prune';
import { type OpenOptions, Repository } from '@corral/backup/repository';
import { deletePoint, lockPoint } from '@corral/backup/retention/point-locks';
import { backUp, inPlace, makeDisk, quickKey, restoreDisk } from './support/sample.ts';

const first = makeDisk(5, { 0: 'a', 4: 'tail' }, 512);
const second = makeDisk(5, { 0: 'a', 2: 'bb', 4: 'tail' }, 512);
/** Each run takes every n-th byte; the whole set is for `--all`. */
const step = process.env['CORRAL_TEST_ALL'] ? 1 : 23;

interface Sample {
  readonly store: MemoryStore;
  readonly points: ReadonlyMap<string, Buffer>;
}

/** With a state, a deleted point and merged segments in it. */
async function makeSample(options: OpenOptions): Promise<Sample> {
  const store = new MemoryStore();
  await using repository = await Repository.create(store, options);
  const one = await backUp(repository, first, { document: '{"cpus":1}' });
  const two = await backUp(repository, second, { base: one, document: '{"cpus":2}' }, first);
  const three = await backUp(repository, makeDisk(2, { 1: 'short-lived' }));
  await deletePoint(repository.context, three.id);
  const found = { outcome: 'passed', method: 'agent', detail: 'answered', tookMs: 1 } as const;
  await addVerification(repository.context, one.id, found);
  await lockPoint(repository.context, two.id, new Date(Date.now() + 3600e3));
  await prune(repository.context);
  return {
    store,
    points: new Map([
      [one.id, first],
      [two.id, second],
    ]),
  };
}

/** Whether a check finds something, or the repository does not even open. */
async function isDetected(store: MemoryStore, options: OpenOptions): Promise<boolean> {
  try {
    await using repository = await Repository.open(store, options);
    return !isSound(await check(repository.context, { readData: true }));
  } catch (cause) {
    assertExpected(cause);
    return true;
  }
}

/** A restore gives the right bytes or an error, never others. */
async function assertNoWrongByte(
  { store, points }: Sample,
  options: OpenOptions,
  what: string,
): Promise<void> {
  for (const [id, disk] of points) {
    try {
      await using repository = await Repository.open(store, options);
      assert.ok((await restoreDisk(repository, id)).equals(disk), `${what}: wrong bytes restored`);
    } catch (cause) {
      assertExpected(cause);
    }
  }
}

function assertExpected(cause: unknown): void {
  const isExpected =
    cause instanceof Error && 'code' in cause && String(cause.code).startsWith('repository.');
  if (!isExpected) throw cause;
}

/** Runs `work` with one object replaced, then puts it back. */
async function withObject(
  store: MemoryStore,
  name: string,
  content: Buffer,
  work: () => Promise<void>,
): Promise<void> {
  const held = store.objects.get(name)!;
  store.objects.set(name, { ...held, content });
  try {
    await work();
  } finally {
    store.objects.set(name, held);
  }
}

for (const [title, options] of [
  ['plain', inPlace],
  ['encrypted', { ...inPlace, ...quickKey }],
] as const) {
  test(`${title}: the flip of any byte is found, and no wrong byte restored`, async () => {
    const sample = await makeSample(options);
    let flips = 0;
    for (const [name, { content }] of [...sample.store.objects]) {
      for (let at = flips % step; at < content.length; at += step) {
        const damaged = Buffer.from(content);
        damaged[at]! ^= 1 << (at % 8);
        flips += 1;
        await withObject(sample.store, name, damaged, async () => {
          assert.ok(await isDetected(sample.store, options), `${name}, byte ${at}: not found`);
          await assertNoWrongByte(sample, options, `${name}, byte ${at}`);
        });
      }
    }
    assert.ok(flips > 100);
  });

  test(`${title}: cut, emptied, removed and swapped objects are found`, async () => {
    const sample = await makeSample(options);
    const { store } = sample;
    for (const [name, held] of [...store.objects]) {
      for (const length of [0, 63, Math.floor(held.content.length / 2), held.content.length - 1]) {
        await withObject(store, name, held.content.subarray(0, length), async () => {
          assert.ok(await isDetected(store, options), `${name}, cut to ${length}: not found`);
          await assertNoWrongByte(sample, options, `${name}, cut to ${length}`);
        });
      }
      const sibling = [...store.objects].find(
        ([other]) => other !== name && other.split('/')[0] === name.split('/')[0],
      );
      if (sibling) {
        await withObject(store, name, sibling[1].content, async () => {
          assert.ok(await isDetected(store, options), `${name}, swapped: not found`);
          await assertNoWrongByte(sample, options, `${name}, swapped`);
        });
      }
    }
  });

  test(`${title}: a missing pack or segment is found, and the backups it harms are named`, async () => {
    const sample = await makeSample(options);
    const { store, points } = sample;
    for (const [name, held] of [...store.objects]) {
      if (!/^(packs|index)\//.test(name)) continue;
      store.objects.delete(name);
      await using repository = await Repository.open(store, options);
      const { harmed } = await check(repository.context, {});
      for (const [id, disk] of points) {
        const isWhole = await restoreDisk(repository, id).then(
          (content) => content.equals(disk),
          () => false,
        );
        const isNamed = harmed.some(({ point }) => point === id);
        assert.equal(
          isNamed,
          !isWhole || harmed.find(({ point }) => point === id)?.streams[0]?.isDocument === true,
          name,
        );
      }
      assert.ok(harmed.length > 0, `${name} is missing and harms nobody`);
      store.objects.set(name, held);
    }
  });
}
