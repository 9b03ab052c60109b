import assert from 'node:assert/strict';
import test from 'node:test';
import { sampleCheckpoint, sampleState, vmOn } from '../testing/sample-chains.ts';
import { treeSizes } from './checkpoint-sizes.ts';

const allocated = (sizes: Readonly<Record<string, number>>) =>
  new Map(Object.entries(sizes).map(([id, bytes]) => [`disks/${id}.qcow2`, bytes]));

test('each file is counted once, and all together make up the VM', () => {
  // base ─ a ─ (one) ─ b ─ now;  base ─ a ─ c ─ (two)
  const one = sampleCheckpoint('one', ['a', 'base'], { createdAt: '2026-01-01T00:00:00.000Z' });
  const two = sampleCheckpoint('two', ['c', 'a', 'base'], { createdAt: '2026-01-02T00:00:00.000Z' });
  const state = sampleState(vmOn(['b', 'a', 'base']), [two, one]);
  const sizes = treeSizes(state, allocated({ base: 1000, a: 100, b: 10, c: 1 }));
  assert.deepEqual(sizes.checkpoints.get('one'), { sizeBytes: 1100, changedBytes: 11 });
  assert.deepEqual(sizes.checkpoints.get('two'), { sizeBytes: 1, changedBytes: 0 });
  assert.equal(sizes.presentBytes, 10);
});

test('the layer of a branching point without a name is counted at the oldest that needs it', () => {
  const one = sampleCheckpoint('one', ['b', 'a'], { createdAt: '2026-01-01T00:00:00.000Z' });
  const two = sampleCheckpoint('two', ['c', 'a'], { createdAt: '2026-01-02T00:00:00.000Z' });
  const sizes = treeSizes(
    sampleState(vmOn(['d', 'c', 'a']), [one, two]),
    allocated({ a: 100, b: 10, c: 1, d: 5 }),
  );
  assert.deepEqual(
    [...sizes.checkpoints.values()].map(({ sizeBytes }) => sizeBytes),
    [110, 1],
  );
  assert.equal(sizes.presentBytes, 5);
});

test('memory counts, a file that is missing takes nothing', () => {
  const memory = { savedAt: '', sizeBytes: 7, crc32: 0, qemuVersion: '7.2.0', applied: vmOn(['a']) };
  const one = sampleCheckpoint('one', ['a'], { memory });
  const sizes = treeSizes(sampleState(vmOn(['b', 'a']), [one]), new Map());
  assert.deepEqual(sizes.checkpoints.get('one'), { sizeBytes: 7, changedBytes: 0 });
});
