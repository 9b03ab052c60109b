import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openMemoryStore } from '@corral/store/memory-store';
import { countingFacts, request } from '../testing/sample-vm.ts';
import { StoppedClock } from '../testing/stopped-clock.ts';
import { planVm } from '../vm/plan-vm.ts';
import type { VmRecord } from '../vm/vm-record.ts';
import { type AutostartOptions, autostart, autostartWaves } from './autostart.ts';

function record(name: string, autostart?: { order: number; delayMs: number }): VmRecord {
  const asked = request({ name, ...(autostart ? { autostart } : {}) });
  return {
    settings: planVm(asked, countingFacts()).settings,
    uid: null,
    process: null,
    saved: null,
    checkpointId: null,
  };
}

describe('the waves of an autostart', () => {
  it('come in the order asked for, with the longest delay of each', () => {
    const records = [
      record('late', { order: 10, delayMs: 0 }),
      record('never'),
      record('first', { order: 1, delayMs: 5000 }),
      record('first too', { order: 1, delayMs: 7000 }),
    ];
    const waves = autostartWaves(records);
    assert.deepEqual(
      waves.map(({ vms, delayMs }) => [vms.map((vm) => vm.settings.name), delayMs]),
      [
        [['first', 'first too'], 7000],
        [['late'], 0],
      ],
    );
  });

  it('are none when no VM asks for it', () => {
    assert.deepEqual(autostartWaves([record('a')]), []);
  });
});

describe('an autostart', () => {
  it('starts each order after the delay of the one before, whether that came up or not; once per boot', async () => {
    using clock = new StoppedClock();
    const told: string[] = [];
    const { promise: firstAsked, resolve: onFirst } = Promise.withResolvers<void>();
    const records = [
      record('first', { order: 1, delayMs: 70 }),
      record('broken', { order: 1, delayMs: 50 }),
      record('late', { order: 10, delayMs: 5 }),
    ];
    const options = {
      host: {
        records: { list: async () => records },
        emit: async (type: string, { name }: { name: string }) => void told.push(`${type} ${name}`),
      },
      log: { error: () => undefined },
      store: openMemoryStore(),
      start: async ({ settings: { name } }: VmRecord) => {
        onFirst();
        if (name === 'broken') throw new Error('no memory');
        told.push(`start ${name}`);
      },
      signal: new AbortController().signal,
    } as unknown as AutostartOptions;

    const work = autostart(options);
    await firstAsked;
    await clock.settle();
    const firstWave = ['start first', 'vm.autostart-failed broken'];
    assert.deepEqual(told, firstWave);
    await clock.pass(69);
    assert.deepEqual(told, firstWave);
    await clock.pass(1);
    assert.deepEqual(told, [...firstWave, 'start late']);
    await clock.pass(5);
    await work;
    await autostart(options);
    assert.deepEqual(told, [...firstWave, 'start late']);
  });
});
