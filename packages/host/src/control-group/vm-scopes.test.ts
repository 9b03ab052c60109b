import assert from 'node:assert/strict';
import test from 'node:test';
import { sampleVm } from '../testing/sample-vm.ts';
import type { VmRecord } from '../vm/vm-record.ts';
import type { ControlGroupSupport } from './support.ts';
import { VmScopes } from './vm-scopes.ts';

/** @returns what was logged */
async function place(
  support: () => Promise<ControlGroupSupport>,
  process: VmRecord['process'],
): Promise<string[]> {
  const warnings: string[] = [];
  const ignore = (): void => undefined;
  const log = { debug: ignore, info: ignore, error: ignore };
  const scopes = new VmScopes({ ...log, warn: (_, message) => void warnings.push(message) }, support);
  await scopes.place({ settings: sampleVm(), uid: null, process, saved: null, checkpointId: null });
  return warnings;
}

/** No process has this id: the kernel's highest is 2^22. */
const gone = { pid: 2 ** 22 + 1, startTime: 1, bootId: 'b', startedAt: '', accelerator: 'tcg' } as const;

test('a VM without a process, and a host without control groups, have nothing to do', async () => {
  const unavailable = { available: false, reason: 'systemd does not run.', fix: 'Boot it.' } as const;
  assert.deepEqual(await place(async () => unavailable, { ...gone, applied: sampleVm() }), []);
  assert.deepEqual(await place(() => Promise.reject(new Error('not asked')), null), []);
});

test('a process that has ended needs no group', async () => {
  const available = { available: true, reason: 'Each VM has one.' } as const;
  assert.deepEqual(await place(async () => available, { ...gone, applied: sampleVm() }), []);
});

test('a VM runs on whatever goes wrong, and the log says so', async () => {
  const failing = () => Promise.reject(new Error('EIO'));
  const warnings = await place(failing, { ...gone, applied: sampleVm() });
  assert.deepEqual(warnings, ['it has no control group of its own']);
});
