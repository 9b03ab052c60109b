/**
 * Between the record of a fork and QEMU's switch the guest still writes to the layer that the record has below: nobody may
 * take it for still, neither a merge nor what is written down of its changes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chainOf, withChain } from '../chain/chain.ts';
import { type ChainState, holdersOf } from '../chain/chain-records.ts';
import { planMerges, sealedAbove } from '../chain/layer-forest.ts';
import { layersOf, sampleState, vmOn } from '../testing/sample-chains.ts';
import { changeLinks } from './change-links.ts';

const written = { running: true, tracked: true };

/** The record has `new` on top; QEMU has, or has not, switched to it. */
function forking(applied: readonly string[]): ChainState {
  const present = vmOn(['new', 'writing', 'below', 'lowest']);
  const disks = present.disks.map((disk) =>
    withChain(
      disk,
      chainOf(disk).map((layer) => (layer.id === 'writing' ? { ...layer, seal: null } : layer)),
    ),
  );
  const process = {
    pid: 1,
    startTime: 1,
    bootId: '',
    startedAt: '',
    accelerator: 'tcg' as const,
    applied: vmOn(applied),
  };
  return sampleState({ ...present, disks }, [], { process });
}

test('a layer that is just being forked from is neither merged nor read for its changes', () => {
  const state = forking(['writing', 'below', 'lowest']);
  const diskId = state.vm.settings.disks[0]!.id;
  const holders = holdersOf(state, diskId);
  assert.deepEqual(
    planMerges(holders, written).map(({ upper, lower }) => [upper.id, lower.id]),
    [['below', 'lowest']],
  );
  assert.deepEqual(sealedAbove(holders, 'below'), [], 'what lies on the merged one is written to');
  assert.ok(!changeLinks(state, diskId).some(({ to }) => to === 'writing'));
});

test('when QEMU has switched it is a layer like others', () => {
  const state = forking(['new', 'writing', 'below', 'lowest']);
  const [disk] = state.vm.settings.disks;
  const holders = holdersOf(state, disk!.id);
  assert.deepEqual(layersOf(state.vm.settings).length, 4);
  assert.deepEqual(
    planMerges(holders, written).map(({ upper, lower }) => [upper.id, lower.id]),
    [
      ['below', 'lowest'],
      ['writing', 'below'],
    ],
  );
  assert.deepEqual(
    sealedAbove(holders, 'below').map(({ id }) => id),
    ['writing'],
  );
});
