import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withSeal } from '../chain/chain.ts';
import { type ChainState, withChains } from '../chain/chain-records.ts';
import { planFork, withFork, withForkSealed } from '../chain/fork.ts';
import { sampleState, vmOn } from '../testing/sample-chains.ts';
import { changeLinks, pathBetween } from './change-links.ts';

const present = vmOn(['written', 'upper', 'lower']);
const diskId = present.disks[0]!.id;
const overlays = planFork(present, 'a backup');
const seal = { lengthBytes: 7, modifiedNs: '7' };
const process = {
  pid: 1,
  startTime: 1,
  bootId: 'boot',
  startedAt: '2026-01-01T00:00:00.000Z',
  accelerator: 'tcg' as const,
  applied: present,
};

/** The VM runs, and its upper layer is being merged into the lower one. */
const merging = withChains(sampleState(present, [], { process }), diskId, (chain) =>
  withSeal(withSeal(chain, 'written', null), 'lower', null),
);
const switched = withForkSealed(withFork(merging, overlays), overlays, new Map([['written', seal]]));

const ways = (state: ChainState, from: string, to: string): string[] | undefined =>
  pathBetween(changeLinks(state, diskId), from, to)?.map((link) => `${link.from} ${link.to}`);

describe('what a backup finds that begins while layers below are merged', () => {
  it('is what was written since the one before: no reason to read the whole disk', () => {
    assert.deepEqual(ways(switched, 'upper', 'written'), ['upper written']);
  });

  it('is nothing of a layer that is written to: by the guest, or by the merge', () => {
    assert.equal(ways(merging, 'upper', 'written'), undefined);
    assert.equal(ways(withFork(merging, overlays), 'upper', 'written'), undefined, 'not switched yet');
    const higher = vmOn(['top', 'written', 'upper', 'lower', 'base']);
    const deeper = withChains(sampleState(higher, []), diskId, (chain) =>
      withSeal(withSeal(chain, 'top', null), 'lower', null),
    );
    assert.deepEqual(
      ['lower', 'upper', 'written'].map((id, at, ids) => ways(deeper, ids[at - 1] ?? 'base', id)),
      [undefined, ['lower upper'], ['upper written']],
    );
  });
});
