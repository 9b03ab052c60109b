import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { countingFacts, request } from '../testing/sample-vm.ts';
import { planVm } from '../vm/plan-vm.ts';
import type { VmRecord } from '../vm/vm-record.ts';
import { autostartWaves } from './autostart.ts';

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
