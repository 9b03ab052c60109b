import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { judgeReserve, leavesReserve, overcommitRatio, reserveOf } from './space-rules.ts';

const GiB = 2 ** 30;

describe('the reserve', () => {
  it('is what somebody chose, else 5 % and at most 4 GiB', () => {
    assert.equal(reserveOf(null, 20 * GiB), GiB);
    assert.equal(reserveOf(null, 1000 * GiB), 4 * GiB);
    assert.equal(reserveOf(0, 1000 * GiB), 0);
  });

  it('may be reached exactly, not gone below', () => {
    const space = { totalBytes: 100, freeBytes: 30 };
    assert.equal(leavesReserve(space, 20, 10), true);
    assert.equal(leavesReserve(space, 21, 10), false);
  });

  it('is told once however free space trembles, and again after there was clearly more', () => {
    const figures = fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 40 });
    fc.assert(
      fc.property(figures, (frees) => {
        let told = false;
        let clearlyMore = true;
        for (const freeBytes of frees) {
          const judged = judgeReserve({ totalBytes: 300, freeBytes }, 100, told);
          if (freeBytes >= 125) clearlyMore = true;
          assert.equal(judged.tell, freeBytes < 100 && clearlyMore);
          if (judged.tell) clearlyMore = false;
          told = judged.told;
        }
      }),
    );
  });
});

describe('over-commitment', () => {
  it('compares what was promised with what disks have and could get', () => {
    assert.equal(overcommitRatio(300, 50, 150), 1.5);
    assert.equal(overcommitRatio(0, 0, 0), 0);
    assert.equal(overcommitRatio(10, 10, 90), 0.1);
  });
});
