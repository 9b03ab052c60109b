import assert from 'node:assert/strict';
import { test } from 'node:test';
import { operationErrors } from '@corral/operation/errors';
import { DataDirectory } from '../data-directory.ts';
import type { Logger } from '../logger.ts';
import { sampleState, vmOn } from '../testing/sample-chains.ts';
import { ChainKeeper, type MergeRequest } from './chain-keeper.ts';
import type { ChainRecords } from './chain-records.ts';

test('what a merge that is just ending has no time to look at is looked at again soon', async () => {
  const state = sampleState(vmOn(['c', 'b', 'a']), []);
  const started = Promise.withResolvers<MergeRequest>();
  let tries = 0;
  const keeper = new ChainKeeper({
    directory: new DataDirectory('/nowhere'),
    records: { read: async () => state } as unknown as ChainRecords,
    vmIds: async () => [],
    startMerge: async (request) => {
      tries += 1;
      if (tries > 1) return started.resolve(request);
      throw operationErrors.busy({ target: 'merge/a', operationId: '1', title: 'Merge' });
    },
    log: { error: (problem: object) => started.reject(problem) } as unknown as Logger,
  });
  await using _ = keeper;
  keeper.look(state.vm.settings.id);
  const { upper, lower } = await started.promise;
  assert.deepEqual([upper.id, lower.id], ['b', 'a']);
});
