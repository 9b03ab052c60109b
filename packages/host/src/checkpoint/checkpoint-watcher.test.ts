import assert from 'node:assert/strict';
import test from 'node:test';
import { sampleCheckpoint } from '../testing/sample-chains.ts';
import { defaultCheckpointLimits, dueWarnings } from './checkpoint-watcher.ts';

const dayMs = 24 * 3600e3;
const taken = sampleCheckpoint('one', ['a']);
const takenMs = Date.parse(taken.createdAt);
const diskBytes = taken.settings.disks[0]!.sizeBytes;
const due = (changedBytes: number, ageDays: number, warned = { old: false, large: false }) =>
  dueWarnings(
    { ...taken, warned },
    { sizeBytes: 0, changedBytes },
    defaultCheckpointLimits,
    takenMs + ageDays * dayMs,
  );

test('a checkpoint is old after seven days, and large when a fourth of its disk was written since', () => {
  assert.deepEqual(due(0, 6.9), { old: false, large: false });
  assert.deepEqual(due(0, 7.1), { old: true, large: false });
  assert.deepEqual(due(diskBytes / 4, 1), { old: false, large: false });
  assert.deepEqual(due(diskBytes / 4 + 1, 1), { old: false, large: true });
});

test('each is told once', () => {
  assert.deepEqual(due(diskBytes, 100, { old: true, large: false }), { old: false, large: true });
  assert.deepEqual(due(diskBytes, 100, { old: true, large: true }), { old: false, large: false });
});
