import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLimits, type PackUse, planPrune } from './prune-plan.ts';

function pack(hash: string, use: Partial<PackUse>): PackUse {
  const large = 8 * 2 ** 20;
  const usual = {
    listedBytes: large,
    liveBytes: large,
    isDoomed: false,
    isListed: true,
    hasWriterEnded: false,
  };
  return { hash, ...usual, ...use };
}

test('what nobody needs is doomed, what is thin is copied first', () => {
  const plan = planPrune([
    pack('full', {}),
    pack('dead', { liveBytes: 0 }),
    pack('thin', { liveBytes: 2 ** 20 }),
    pack('half', { liveBytes: 4 * 2 ** 20 }),
  ]);
  assert.deepEqual(plan, { doom: ['dead', 'thin'], copy: ['thin'] });
});

test('doomed packs are not doomed again', () => {
  assert.deepEqual(planPrune([pack('gone', { isDoomed: true, liveBytes: 0 })]), { doom: [], copy: [] });
});

test('a pack that no segment names goes only when its writer has ended', () => {
  const unlisted = { isListed: false, listedBytes: 0, liveBytes: 0 };
  const plan = planPrune([pack('at-work', unlisted), pack('left', { ...unlisted, hasWriterEnded: true })]);
  assert.deepEqual(plan, { doom: ['left'], copy: [] });
});

test('no more is copied than the limit allows, the thinnest first', () => {
  const limits = { ...defaultLimits, copyLimitBytes: 3 * 2 ** 20 };
  const thin = [3, 1, 2].map((mib) => pack(`live-${mib}`, { liveBytes: mib * 2 ** 20 }));
  assert.deepEqual(planPrune(thin, limits).copy, ['live-1', 'live-2']);
});

test('small packs are put together when they are many, and the plan comes to rest', () => {
  const small = Array.from({ length: 10 }, (_, i) =>
    pack(`small-${i}`, { listedBytes: 1000, liveBytes: 1000 }),
  );
  assert.equal(planPrune(small).copy.length, 0);
  assert.equal(planPrune(small, { ...defaultLimits, smallPacks: 5 }).copy.length, 10);
  const together = pack('together', { listedBytes: 10_000, liveBytes: 10_000 });
  assert.equal(planPrune([together], { ...defaultLimits, smallPacks: 5 }).copy.length, 0);
});
