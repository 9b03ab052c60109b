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
    vms: { list: async () => [] } as unknown as VmRecords,
    startMerge: async (request, whenBusy) => void recorded.push([request, whenBusy]),
    log: {} as Logger,
  });
  await keeper.lookNext(state.vm.settings.id);
  assert.deepEqual(
    recorded.map(([{ upper, lower }, whenBusy]) => [upper.id, lower.id, whenBusy]),
    [['b', 'a', 'queue']],
  );
});

test('tops are sealed while nobody is at work, and whoever comes meanwhile waits', async () => {
  const { vm } = sampleState(vmOn(['b', 'a']), []);
  const { id } = vm.settings;
  const steps: string[] = [];
  const sealed = Promise.withResolvers<void>();
  const mayGoOn = Promise.withResolvers<void>();
  const vms = {
    list: async () => [vm],
    get: async () => {
      steps.push('sealing');
      sealed.resolve();
      await mayGoOn.promise;
      return vm;
    },
    update: async () => void steps.push('sealed'),
  } as unknown as VmRecords;
  await using keeper = new ChainKeeper({
    directory: new DataDirectory('/nowhere'),
    records: {
      read: async () => sampleState(vmOn(['b', 'a']), [], { process: null }),
    } as unknown as ChainRecords,
    vms,
    startMerge: async () => undefined,
    log: {} as Logger,
  });
  keeper.start();
  await sealed.promise;
  const working = keeper.work(id, new AbortController().signal, async () => void steps.push('work'));
  mayGoOn.resolve();
  await working;
  assert.deepEqual(steps, ['sealing', 'sealed', 'work']);
});
