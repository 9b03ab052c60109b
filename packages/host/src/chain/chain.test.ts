import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DiskLayer } from '@corral/api/schemas/vm-settings';
import { withMerged } from './chain.ts';

const layer = (id: string, path: string): DiskLayer => ({
  id,
  path,
  format: 'qcow2',
  shared: false,
  seal: null,
});

test('a merge puts the upper state into the file of the lower', () => {
  const [top, middle, base] = [layer('t', 'disks/t'), layer('m', 'disks/m'), layer('b', 'disks/b')];
  assert.deepEqual(withMerged([top, middle, base], { upper: middle, lower: base }, null), [
    top,
    { ...base, id: 'm' },
  ]);
});

test('a merge of the same states in other files is none of this chain', () => {
  const chain = [layer('t', 'disks/t-again'), layer('m', 'disks/m-again'), layer('b', 'disks/b')];
  const merge = { upper: layer('t', 'disks/t'), lower: layer('m', 'disks/b') };
  assert.equal(withMerged(chain, merge, null), chain);
});
