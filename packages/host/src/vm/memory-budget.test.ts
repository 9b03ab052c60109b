import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { memoryLeft, memoryOfVm, memoryReserve, parseMeminfo } from './memory-budget.ts';

const GiB = 2 ** 30;

describe('the memory of a host', () => {
  it('is read from what the kernel tells in KiB', () => {
    const memory = parseMeminfo('MemTotal:       1024 kB\nMemFree: 1 kB\nMemAvailable:    512 kB\n');
    assert.deepEqual(memory, { totalBytes: 2 ** 20, availableBytes: 2 ** 19 });
  });

  it('never lets VMs into the reserve, whatever runs', () => {
    const sizes = fc.array(fc.integer({ min: 16, max: 8192 }), { maxLength: 20 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 512 }), sizes, (gibibytes, mebibytes) => {
        const totalBytes = gibibytes * GiB;
        const running: number[] = [];
        for (const size of mebibytes.map((value) => value * 2 ** 20)) {
          if (memoryOfVm(size) <= memoryLeft({ totalBytes, availableBytes: totalBytes }, running))
            running.push(size);
        }
        const taken = running.reduce((sum, bytes) => sum + memoryOfVm(bytes), 0);
        assert.ok(taken <= totalBytes - memoryReserve(totalBytes) || running.length === 0);
      }),
    );
  });

  it('is judged by what is free now, too', () => {
    assert.ok(memoryLeft({ totalBytes: 64 * GiB, availableBytes: GiB }, []) < GiB);
  });
});
