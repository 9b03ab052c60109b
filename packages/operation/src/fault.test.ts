import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import { faultObserver, observerOfFaults, parseFaults } from './fault.ts';

const point = { operationId: '1', kind: 'vm.create', step: 'make-disks', phase: 'before' } as const;

test('a fault strikes at its point, once', async () => {
  const observer = faultObserver(
    parseFaults('vm.create/make-disks/before=fail, vm.create/make-disks/after=halt'),
  );
  await observer({ ...point, step: 'other' });
  await assert.rejects(
    async () => observer(point),
    (e) => isCorralError(e, 'operation.injected'),
  );
  await observer(point);
  await assert.rejects(
    async () => observer({ ...point, phase: 'after' }),
    /halted at vm.create\/make-disks\/after/,
  );
});

test('what is no fault is refused with the form of one', () => {
  for (const text of [
    '',
    'x',
    'a/b=fail',
    'a/b/now=fail',
    'a/b/before=explode',
    'a/b/after=fail',
    'a/b/after-undo=fail',
  ]) {
    assert.throws(
      () => parseFaults(text),
      (e) => isCorralError(e, 'operation.bad-fault') && /kind\/step\/phase/.test(e.message),
    );
  }
});

test('faults in a file strike a daemon that runs already, once, with actions of its own', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'corral-faults-'));
  try {
    const file = join(folder, 'faults');
    let struck = 0;
    const strike = () => {
      struck += 1;
      assert.equal(existsSync(`${file}.striking`), true);
    };
    const observer = observerOfFaults(`@${file}`, { 'kill-qemu': strike });
    await observer(point);
    writeFileSync(file, 'vm.create/make-disks/before=kill-qemu');
    await observer({ ...point, phase: 'after' });
    assert.equal(existsSync(file), true);
    await observer(point);
    await observer(point);
    assert.deepEqual([struck, existsSync(file), existsSync(`${file}.striking`)], [1, false, false]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
