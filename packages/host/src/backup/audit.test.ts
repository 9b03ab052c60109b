import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesOf } from '../tracking/ranges.ts';
import { cleanPart, planAudit, provedRecord } from './audit.ts';
import { type AuditRecord, casts } from './audit-records.ts';

const dayMs = 86_400e3;
const roundMs = 30 * dayMs;

test('daily audits prove every byte of a disk within a round', () => {
  const sizes = fc.integer({ min: 1, max: 2 ** 33 });
  fc.assert(
    fc.property(sizes, (sizeBytes) => {
      let record: AuditRecord | null = null;
      let seen = 0;
      let now = Date.parse('2026-01-01T00:00:00.000Z');
      for (let day = 0; day <= 31; day += 1) {
        const { ranges, next }: ReturnType<typeof planAudit> = planAudit(
          record,
          sizeBytes,
          new Date(now),
          roundMs,
        );
        for (const { offset, length } of ranges) assert.ok(offset >= 0 && offset + length <= sizeBytes);
        seen += bytesOf(ranges);
        record = next;
        now += dayMs;
      }
      assert.ok(seen >= sizeBytes && record?.provedAt, `${seen} of ${sizeBytes}`);
    }),
  );
});

test('what was marked as changed is not audited', () => {
  const block = 2 ** 16;
  const ranges = [{ offset: 2 * block, length: 4 * block }];
  const changes = [{ offset: 3 * block + 5, length: 10 }];
  assert.deepEqual(cleanPart(ranges, changes, 10 * block), [
    { offset: 2 * block, length: block },
    { offset: 4 * block, length: 2 * block },
  ]);
});

test('a disk that was read from end to end is proved, and the next round begins at its start', () => {
  const proved = provedRecord('2026-01-01T00:00:00.000Z');
  assert.deepEqual([proved.position, proved.provedAt, proved.suspect], [0, proved.auditedAt, null]);
  const { next } = planAudit(proved, 2 ** 30, new Date('2026-01-02T00:00:00.000Z'), roundMs);
  assert.equal(next.provedAt, proved.provedAt);
});

test('a difference casts doubt on the backups since the disk was last proved', () => {
  const doubt = {
    id: 'doubt',
    vmId: 'vm',
    disk: 'data',
    offset: 0,
    length: 1,
    foundAt: '2026-01-05T00:00:00.000Z',
    after: '2026-01-02T00:00:00.000Z',
    until: '2026-01-04T00:00:00.000Z',
  };
  const made = (day: number, vm = 'vm', disk = 'data') => ({
    vm: { id: vm },
    createdAt: `2026-01-0${day}T00:00:00.000Z`,
    disks: [{ name: disk }],
  });
  assert.deepEqual(
    [2, 3, 4, 5].map((day) => casts(doubt, made(day))),
    [false, true, true, false],
  );
  assert.ok(casts({ ...doubt, after: null }, made(1)));
  assert.ok(!casts(doubt, made(3, 'another')) && !casts(doubt, made(3, 'vm', 'root')));
});
