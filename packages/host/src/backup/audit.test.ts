import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesOf } from '../tracking/ranges.ts';
import { type AuditRecord, cleanPart, planAudit } from './audit.ts';

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
