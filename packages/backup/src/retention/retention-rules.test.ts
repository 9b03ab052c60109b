import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { applyRetention, type RetentionRules } from './retention-rules.ts';

const hourMs = 3600e3;
const start = Date.UTC(2026, 0, 1);

function pointsEvery(ms: number, count: number): { id: string; createdAt: string }[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `p${String(i).padStart(5, '0')}`,
    createdAt: new Date(start + i * ms).toISOString(),
  }));
}

function kept(rules: RetentionRules, points: readonly { id: string; createdAt: string }[]): string[] {
  return applyRetention(points, rules).keep.map(({ point }) => point.createdAt);
}

test('each rule keeps the newest point of each of its periods', () => {
  const hourly = pointsEvery(hourMs, 24 * 60);
  assert.deepEqual(kept({ daily: 2 }, hourly), ['2026-03-01T23:00:00.000Z', '2026-02-28T23:00:00.000Z']);
  assert.deepEqual(kept({ monthly: 2 }, hourly), ['2026-03-01T23:00:00.000Z', '2026-02-28T23:00:00.000Z']);
  assert.deepEqual(kept({ hourly: 1, yearly: 5 }, hourly), ['2026-03-01T23:00:00.000Z']);
});

test('weeks are those of ISO 8601, over the turn of the year too', () => {
  const points = ['2025-12-28', '2025-12-29', '2026-01-04', '2026-01-05'].map((day) => ({
    id: day,
    createdAt: `${day}T12:00:00.000Z`,
  }));
  assert.deepEqual(kept({ weekly: 9 }, points), [
    '2026-01-05T12:00:00.000Z',
    '2026-01-04T12:00:00.000Z',
    '2025-12-28T12:00:00.000Z',
  ]);
});

test('periods without a point do not count', () => {
  const points = pointsEvery(10 * 24 * hourMs, 10);
  assert.equal(kept({ daily: 10 }, points).length, 10);
});

test('no rules keep everything; rules of zero keep nothing', () => {
  const points = pointsEvery(hourMs, 5);
  assert.equal(applyRetention(points, {}).remove.length, 0);
  assert.equal(applyRetention(points, { last: 0 }).remove.length, 5);
});

const count = fc.option(fc.integer({ min: 0, max: 12 }), { nil: undefined });
const rulesOf = fc.record({
  last: count,
  hourly: count,
  daily: count,
  weekly: count,
  monthly: count,
  yearly: count,
});
const pointsOf = fc
  .uniqueArray(fc.integer({ min: 0, max: 900 * 24 }), { maxLength: 80 })
  .map((hours) =>
    hours.map((hour) => ({ id: `p${hour}`, createdAt: new Date(start + hour * hourMs).toISOString() })),
  );

test('every point is kept or removed, the newest first, whatever the order they come in', () => {
  fc.assert(
    fc.property(pointsOf, rulesOf, (points, rules) => {
      const { keep, remove } = applyRetention(points, rules);
      const all = [...keep.map(({ point }) => point.id), ...remove.map(({ id }) => id)];
      assert.deepEqual(all.sort(), points.map(({ id }) => id).sort());
      assert.deepEqual(applyRetention(points.toReversed(), rules), { keep, remove });
    }),
  );
});

test('a larger number never removes more, and the newest stays where any rule keeps one', () => {
  fc.assert(
    fc.property(pointsOf, rulesOf, (points, rules) => {
      const before = new Set(applyRetention(points, rules).keep.map(({ point }) => point.id));
      const larger = Object.fromEntries(
        Object.entries(rules).map(([rule, value]) => [rule, value === undefined ? undefined : value + 1]),
      );
      const after = new Set(applyRetention(points, larger).keep.map(({ point }) => point.id));
      for (const id of before) assert.ok(after.has(id));
      const newest = points.toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1))[0];
      const keepsAny = Object.values(rules).some((value) => (value ?? 0) > 0);
      if (newest && keepsAny) assert.ok(before.has(newest.id));
    }),
  );
});

test('applying the same rules again removes nothing more', () => {
  fc.assert(
    fc.property(pointsOf, rulesOf, (points, rules) => {
      const first = applyRetention(points, rules).keep.map(({ point }) => point);
      assert.deepEqual(applyRetention(first, rules).remove, []);
    }),
  );
});
