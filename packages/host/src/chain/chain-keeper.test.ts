import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DataDirectory } from '../data-directory.ts';
import type { Logger } from '../logger.ts';
import { sampleState, vmOn } from '../testing/sample-chains.ts';
import type { VmRecords } from '../vm/vm-record.ts';
import { ChainKeeper, type MergeRequest } from './chain-keeper.ts';
import type { ChainRecords } from './chain-records.ts';

test('what comes after a merge is recorded behind it before it ends', async () => {
  const state = sampleState(vmOn(['c', 'b', 'a']), []);
  const recorded: [MergeRequest, string][] = [];
  await using keeper = new ChainKeeper({
    directory: new DataDirectory('/nowhere'),
    records: { read: async () => state } as unknown as ChainRecords,
    vms: { get: async () => state.vm, update: async () => state.vm } as unknown as VmRecords,
    startMerge: async (request, whenBusy) => void recorded.push([request, whenBusy]),
    log: {} as Logger,
  });
  await keeper.lookNext(state.vm.settings.id);
  assert.deepEqual(
    recorded.map(([{ upper, lower }, whenBusy]) => [upper.id, lower.id, whenBusy]),
    [['b', 'a', 'queue']],
  );
});
