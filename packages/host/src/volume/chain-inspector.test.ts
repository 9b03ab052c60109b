import assert from 'node:assert/strict';
import test from 'node:test';
import { sampleCheckpoint, sampleState, vmOn } from '../testing/sample-chains.ts';
import { sealedLayers } from './chain-inspector.ts';

test('every sealed layer is looked at once, also of branches that the present does not stand on', () => {
  const checkpoints = [
    sampleCheckpoint('one', ['b', 'a']),
    sampleCheckpoint('two', ['c', 'b', 'a']),
    sampleCheckpoint('other', ['d', 'a']),
  ];
  const found = sealedLayers(sampleState(vmOn(['top', 'b', 'a']), checkpoints));
  assert.deepEqual(
    found.map(({ layer, holders }) => [layer.id, holders]),
    [
      ['b', ['the present', 'checkpoint "one"', 'checkpoint "two"']],
      ['a', ['the present', 'checkpoint "one"', 'checkpoint "two"', 'checkpoint "other"']],
      ['c', ['checkpoint "two"']],
      ['d', ['checkpoint "other"']],
    ],
  );
});
